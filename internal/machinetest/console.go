// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import "sync"

// consoleSize is how much of what a machine has printed clouds keep.
const consoleSize = 64 << 10

// Console keeps what a machine has printed last. A nil one has nothing.
type Console struct {
	mu   sync.Mutex
	last []byte
}

// Write implements [io.Writer].
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, p...)
	c.last = c.last[max(0, len(c.last)-consoleSize):]
	return len(p), nil
}

// Text gives what is kept.
func (c *Console) Text() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.last)
}
