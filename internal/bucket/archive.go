// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
)

const (
	// logsPrefix begins the keys of logs.
	logsPrefix = "logs/"
	// archivedBytes is how much is kept of the end of each log: many replicas may end
	// at once on a controller that has little memory.
	archivedBytes = 2 << 20
)

// NewArchive gives the archive in a bucket. Nothing is asked of it yet.
func NewArchive(b Bucket) *record.Archive { return record.NewArchive(logs{b}, archivedBytes) }

// logs are those of replicas that are gone, in a bucket.
type logs struct{ bucket Bucket }

// logKey is the key of a replica's log.
func logKey(replica int64) string { return fmt.Sprintf("%sreplica-%d.log", logsPrefix, replica) }

// Put implements [record.Logs].
func (l logs) Put(ctx context.Context, replica int64, text []byte) error {
	_, err := l.bucket.Put(ctx, logKey(replica), text, Condition{})
	return err
}

// Get implements [record.Logs].
func (l logs) Get(ctx context.Context, replica int64) ([]byte, error) {
	text, _, err := l.bucket.Get(ctx, logKey(replica))
	return text, err
}

// List implements [record.Logs].
func (l logs) List(ctx context.Context) ([]int64, error) {
	keys, err := l.bucket.List(ctx, logsPrefix)
	if err != nil {
		return nil, err
	}
	var replicas []int64
	for _, key := range keys {
		var id int64
		if n, _ := fmt.Sscanf(key, logsPrefix+"replica-%d.log", &id); n == 1 && key == logKey(id) {
			replicas = append(replicas, id)
		}
	}
	return replicas, nil
}

// Remove implements [record.Logs].
func (l logs) Remove(ctx context.Context, replica int64) error {
	return l.bucket.Remove(ctx, logKey(replica))
}
