// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package bucket keeps in an object store what is to outlast the machine of a
// controller: the state of its service and the history of that, the bundles, the logs
// of replicas that are gone, and the certificates of the endpoint.
//
// Which object store it is, is no matter here, as long as it writes an object only if
// it is still the one that the writer has seen: see [Bucket]. Of two controllers of
// one service, as there may be while a machine that was given up for dead is
// replaced, so one stops.
package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Patience is how long something small may be asked of a bucket, and BulkPatience
// something about a bundle: five gigabytes over a slow line.
const (
	Patience     = time.Minute
	BulkPatience = 2 * time.Hour
)

// Bucket is a bucket of an object store. Its methods may be called at the same time.
//
// An object that is not there is serve.ErrNotFound, as is one in a bucket that is not
// there. Whoever may not look is told serve.ErrUnauthorized and never that something
// is not there. Where it is not known what became of a request, as its answer was
// lost or the store was in trouble itself, the error is serve.ErrUnreachable, or that
// of the caller's context.
type Bucket interface {
	// Get reads an object, and tells its tag: another one whenever it was written.
	Get(ctx context.Context, key string) (body []byte, tag string, err error)
	// Put writes an object if the condition holds, and tells its new tag;
	// serve.ErrConflict says that the condition does not hold. Where the object was to
	// be a certain one and there is none, that may be serve.ErrNotFound as well.
	Put(ctx context.Context, key string, body []byte, c Condition) (tag string, err error)
	// Has reports whether there is an object.
	Has(ctx context.Context, key string) (bool, error)
	// Remove removes an object, if there is one.
	Remove(ctx context.Context, key string) error
	// List gives the keys of all objects that begin with prefix, in order.
	List(ctx context.Context, prefix string) ([]string, error)
	// PutFile writes an object from a file, or whatever else can be read again, whose
	// SHA-256 is given. What has changed on the way is not written, which is
	// serve.ErrInvalid.
	PutFile(ctx context.Context, key string, file io.ReadSeeker, sha256 []byte) error
	// Open reads an object as it comes.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// Condition is what must be so for an object to be put. The zero Condition is that
// it does not matter.
type Condition struct {
	// Absent is that there is no object.
	Absent bool
	// Still is the tag of the object there is; empty if it does not matter.
	Still string
}

// Read takes in an object of JSON.
func Read(ctx context.Context, b Bucket, key string, into any) error {
	content, _, err := b.Get(ctx, key)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	return nil
}

// Write puts an object of JSON there if the condition holds.
func Write(ctx context.Context, b Bucket, key string, from any, c Condition) error {
	content, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	_, err = b.Put(ctx, key, content, c)
	return err
}
