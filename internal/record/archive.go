// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package record

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ArchivedLogs is how many logs of a service an archive keeps.
const ArchivedLogs = 20

// Logs is where the logs of one service's replicas are that are gone. Its methods may
// be called at the same time.
type Logs interface {
	// Put stores a log, in place of one that is there.
	Put(ctx context.Context, replica int64, text []byte) error
	// Get reads a log; serve.ErrNotFound if there is none.
	Get(ctx context.Context, replica int64) ([]byte, error)
	// List gives the replicas whose logs there are.
	List(ctx context.Context) ([]int64, error)
	// Remove removes a log, if there is one.
	Remove(ctx context.Context, replica int64) error
}

// Archive keeps the ends of the logs of replicas that are gone. Its methods may be
// called at the same time.
type Archive struct {
	logs Logs
	size int

	mu sync.Mutex
	// kept are the replicas whose logs there are, in order; nil before it was
	// looked.
	kept []int64
}

// NewArchive gives an archive that keeps so many bytes of each log at most: enough to
// tell why a replica failed. Nothing is asked of the logs' place yet.
func NewArchive(logs Logs, size int) *Archive { return &Archive{logs: logs, size: size} }

// Keep stores the end of a replica's log and forgets the oldest ones.
func (a *Archive) Keep(ctx context.Context, replica int64, log io.Reader) error {
	text, err := serve.LastBytes(log, a.size)
	if err == nil {
		err = a.logs.Put(ctx, replica, text)
	}
	if err == nil {
		err = a.forget(ctx, replica)
	}
	if err != nil {
		return fmt.Errorf("keeping the log of replica %d: %w", replica, err)
	}
	return nil
}

// forget removes the oldest logs. What there is, is asked for once: nobody else
// keeps logs of the service meanwhile.
func (a *Archive) forget(ctx context.Context, kept int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		there, err := a.logs.List(ctx)
		if err != nil {
			return err
		}
		a.kept = there
	}
	a.kept = append(a.kept, kept)
	slices.Sort(a.kept)
	a.kept = slices.Compact(a.kept)
	for len(a.kept) > ArchivedLogs {
		if err := a.logs.Remove(ctx, a.kept[0]); err != nil {
			return err
		}
		a.kept = a.kept[1:]
	}
	return nil
}

// Open gives a kept log; serve.ErrNotFound if there is none.
func (a *Archive) Open(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	log, err := a.logs.Get(ctx, replica)
	var text string
	if err == nil {
		text, err = opt.Last(bytes.NewReader(log))
	}
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	return io.NopCloser(strings.NewReader(text)), nil
}
