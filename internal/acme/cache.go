// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package acme

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/acme/autocert"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Cache keeps certificates with their keys, which are secret. Its methods may be
// called at the same time. Keys are made of letters, digits and "-", ".", "_", "+".
type Cache interface {
	// Get gives what was put there last; serve.ErrNotFound if there is nothing.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put puts content there, in place of what is there.
	Put(ctx context.Context, key string, content []byte) error
	// Delete removes what is there, if there is anything.
	Delete(ctx context.Context, key string) error
}

// Dir keeps certificates in a directory, which is made when there is one to keep.
type Dir string

// Get implements [Cache].
func (d Dir) Get(ctx context.Context, key string) ([]byte, error) {
	content, err := autocert.DirCache(d).Get(ctx, key)
	if errors.Is(err, autocert.ErrCacheMiss) {
		err = fmt.Errorf("reading %q: %w", key, serve.ErrNotFound)
	}
	return content, err
}

// Put implements [Cache].
func (d Dir) Put(ctx context.Context, key string, content []byte) error {
	return autocert.DirCache(d).Put(ctx, key, content)
}

// Delete implements [Cache].
func (d Dir) Delete(ctx context.Context, key string) error {
	return autocert.DirCache(d).Delete(ctx, key)
}

// kept is a cache as autocert wants it.
type kept struct{ Cache }

// Get says in autocert's word that there is nothing.
func (k kept) Get(ctx context.Context, key string) ([]byte, error) {
	content, err := k.Cache.Get(ctx, key)
	if errors.Is(err, serve.ErrNotFound) {
		err = autocert.ErrCacheMiss
	}
	return content, err
}
