// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package keyring holds the key that a cloud is shown, which may be given anew while
// the cloud is in use.
//
// What was given is a text in a form of the cloud's own, and the cloud's package makes a
// key of it: whatever calls are signed with. A key that does not fit is never used. So
// somebody who has mistyped a new one, or has given it before the cloud knows it, loses
// nothing by it, as long as the old one is good.
package keyring

import (
	"context"
	"io"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Keyring holds the key to one cloud. Its methods may be called at the same time.
type Keyring[K any] struct {
	cloud string
	shown serve.CredentialsOf
	try   func(ctx context.Context, text string) (K, error)
	// renewing has one caller at a time try a key.
	renewing turns.Turns[struct{}]

	mu   sync.Mutex // held for no longer than it takes to look
	text string     // of which the key was made
	key  K
}

// Open gives the keyring of a cloud with the first key. Try makes a key of what was
// given, which is empty where nothing was, and finds out whether it fits. Shown may be
// nil: then nothing ever is given.
func Open[K any](ctx context.Context, cloud string, shown serve.CredentialsOf, try func(ctx context.Context, text string) (K, error)) (*Keyring[K], error) {
	k := &Keyring[K]{cloud: cloud, shown: shown, try: try}
	text, err := k.given(ctx)
	if err != nil {
		return nil, err
	}
	if k.key, err = try(ctx, text); err != nil {
		return nil, err
	}
	k.text = text
	return k, nil
}

func (k *Keyring[K]) given(ctx context.Context) (string, error) {
	if k.shown == nil {
		return "", nil
	}
	return k.shown(ctx, k.cloud)
}

// Key is the one to be used now. It is not to be kept for later.
func (k *Keyring[K]) Key() K {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key
}

// Renew takes in what is given now, as [serve.Keyholder] has it. The key that was used
// before is closed, if it is an [io.Closer].
func (k *Keyring[K]) Renew(ctx context.Context) (changed bool, err error) {
	ctx, leave, err := k.renewing.Enter(ctx, struct{}{})
	if err != nil {
		return false, err
	}
	defer leave()
	text, err := k.given(ctx)
	if err != nil || text == k.text { // which only whoever has the turn changes
		return false, err
	}
	key, err := k.try(ctx, text)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	before := k.key
	k.text, k.key = text, key
	k.mu.Unlock()
	if c, ok := any(before).(io.Closer); ok {
		_ = c.Close() // the other one is in use, whatever comes of this
	}
	return true, nil
}
