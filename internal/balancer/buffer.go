// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import "sync"

// buffer is what bodies are passed on through.
type buffer [32 << 10]byte

// buffers keeps buffers for later.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *buffer {
	if reused, ok := b.pool.Get().(*buffer); ok {
		return reused
	}
	return new(buffer)
}

func (b *buffers) put(p *buffer) { b.pool.Put(p) }
