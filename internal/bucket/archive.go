// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

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

const (
	// logsPrefix begins the keys of logs.
	logsPrefix = "logs/"
	// archivedLogs is how many logs of a service are kept, and archivedBytes how much
	// of the end of each: it tells why a replica failed, and many replicas may end at
	// once on a controller that has little memory.
	archivedLogs  = 20
	archivedBytes = 2 << 20
)

// Archive keeps the ends of the logs of replicas that are gone, in a bucket. Its
// methods may be called at the same time.
type Archive struct {
	bucket Bucket

	mu sync.Mutex
	// kept are the replicas whose logs there are, in order; nil before it was
	// looked.
	kept []int64
}

// NewArchive gives the archive in a bucket. Nothing is asked of it yet.
func NewArchive(b Bucket) *Archive { return &Archive{bucket: b} }

// logKey is the key of a replica's log.
func logKey(replica int64) string { return fmt.Sprintf("%sreplica-%d.log", logsPrefix, replica) }

// Keep stores the end of a replica's log and forgets the oldest ones.
func (a *Archive) Keep(ctx context.Context, replica int64, log io.Reader) error {
	text, err := serve.LastBytes(log, archivedBytes)
	if err == nil {
		_, err = a.bucket.Put(ctx, logKey(replica), text, Condition{})
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
		keys, err := a.bucket.List(ctx, logsPrefix)
		if err != nil {
			return err
		}
		for _, key := range keys {
			var id int64
			if n, _ := fmt.Sscanf(key, logsPrefix+"replica-%d.log", &id); n == 1 && key == logKey(id) {
				a.kept = append(a.kept, id)
			}
		}
	}
	a.kept = append(a.kept, kept)
	slices.Sort(a.kept)
	a.kept = slices.Compact(a.kept)
	for len(a.kept) > archivedLogs {
		if err := a.bucket.Remove(ctx, logKey(a.kept[0])); err != nil {
			return err
		}
		a.kept = a.kept[1:]
	}
	return nil
}

// Open gives a kept log; serve.ErrNotFound if there is none.
func (a *Archive) Open(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	text, err := a.open(ctx, replica, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (a *Archive) open(ctx context.Context, replica int64, opt serve.LogOptions) (string, error) {
	log, _, err := a.bucket.Get(ctx, logKey(replica))
	if err != nil {
		return "", err
	}
	return opt.Last(bytes.NewReader(log))
}
