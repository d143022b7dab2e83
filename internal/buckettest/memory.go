// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package buckettest has a bucket in memory for tests of what is kept in one, and
// tests of what every bucket promises.
package buckettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Memory is a bucket in memory.
type Memory struct {
	mu      sync.Mutex
	writes  int
	objects map[string]object
	calls   map[string]int
	after   func(call, key string) error
}

type object struct {
	body []byte
	tag  string
}

var _ bucket.Bucket = (*Memory)(nil)

// New gives an empty bucket.
func New() *Memory { return &Memory{objects: map[string]object{}, calls: map[string]int{}} }

// Calls gives how often each method was called.
func (m *Memory) Calls() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.calls)
}

// Lose has something decide whether the answer to a call is lost, once it was
// carried out: by the error that the caller is given then. Nil loses none.
func (m *Memory) Lose(after func(call, key string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after = after
}

// call carries something out, and gives what the caller is told of it.
func (m *Memory) call(ctx context.Context, name, key string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[name]++
	err := do()
	if err == nil && m.after != nil {
		err = m.after(name, key)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, key, err)
	}
	return nil
}

// Get implements [bucket.Bucket].
func (m *Memory) Get(ctx context.Context, key string) (body []byte, tag string, err error) {
	err = m.call(ctx, "Get", key, func() error {
		o, ok := m.objects[key]
		if !ok {
			return serve.ErrNotFound
		}
		body, tag = bytes.Clone(o.body), o.tag
		return nil
	})
	return body, tag, err
}

// Put implements [bucket.Bucket].
func (m *Memory) Put(ctx context.Context, key string, body []byte, c bucket.Condition) (tag string, err error) {
	err = m.call(ctx, "Put", key, func() error {
		o, there := m.objects[key]
		if c.Absent && there || c.Still != "" && o.tag != c.Still {
			return serve.ErrConflict
		}
		tag = m.write(key, body)
		return nil
	})
	return tag, err
}

// write stores an object with the bucket locked.
func (m *Memory) write(key string, body []byte) (tag string) {
	m.writes++
	tag = strconv.Itoa(m.writes)
	m.objects[key] = object{bytes.Clone(body), tag}
	return tag
}

// Has implements [bucket.Bucket].
func (m *Memory) Has(ctx context.Context, key string) (there bool, err error) {
	err = m.call(ctx, "Has", key, func() error {
		_, there = m.objects[key]
		return nil
	})
	return there, err
}

// Remove implements [bucket.Bucket].
func (m *Memory) Remove(ctx context.Context, key string) error {
	return m.call(ctx, "Remove", key, func() error {
		delete(m.objects, key)
		return nil
	})
}

// List implements [bucket.Bucket].
func (m *Memory) List(ctx context.Context, prefix string) (keys []string, err error) {
	err = m.call(ctx, "List", prefix, func() error {
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}

// PutFile implements [bucket.Bucket].
func (m *Memory) PutFile(ctx context.Context, key string, file io.ReadSeeker, sum []byte) error {
	body, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	return m.call(ctx, "PutFile", key, func() error {
		if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
			return serve.ErrInvalid
		}
		m.write(key, body)
		return nil
	})
}

// Open implements [bucket.Bucket].
func (m *Memory) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	body, _, err := m.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}
