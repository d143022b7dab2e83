// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// BucketOptions say which bucket, and how Google Cloud is reached.
type BucketOptions struct {
	Config Config
	Name   string
	// Transport replaces the way to Google; tests put a network of their own here.
	Transport http.RoundTripper
}

// Bucket is where in Cloud Storage a service that a controller on a machine of Google
// Cloud looks after has all that is to outlast the machine; see package bucket. What
// tells one object from the next under the same name is its generation.
//
// Whoever uses it must also be allowed to list it: to others Cloud Storage does not say
// that an object is not there, but that they may not know.
type Bucket struct {
	name    string
	storage *storage.Service
	calls   bucket.Calls
}

func newBucket(name string, client *storage.Service) *Bucket {
	return &Bucket{name: name, storage: client, calls: bucket.Calls{Where: "gs://" + name, Meaning: meaning}}
}

var _ bucket.Bucket = (*Bucket)(nil)

// OpenBucket finds credentials. Cloud Storage itself is not asked for anything yet, so
// that a bucket that is not there shows when it is first used.
func OpenBucket(ctx context.Context, o BucketOptions) (*Bucket, error) {
	a, err := o.Config.load(ctx, o.Transport)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %q: %w", o.Name, err)
	}
	s, err := a.services(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %q: %w", o.Name, err)
	}
	return newBucket(o.Name, s.storage), nil
}

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, key string) (body []byte, tag string, err error) {
	err = b.calls.Do(ctx, "reading", key, func(ctx context.Context) error {
		out, err := b.storage.Objects.Get(b.name, key).Context(ctx).Download()
		if err != nil {
			return err
		}
		defer out.Body.Close()
		tag = out.Header.Get("X-Goog-Generation")
		body, err = io.ReadAll(out.Body)
		return err
	})
	return body, tag, err
}

// Put implements [bucket.Bucket].
func (b *Bucket) Put(ctx context.Context, key string, body []byte, c bucket.Condition) (tag string, err error) {
	put := b.insert(&storage.Object{Name: key})
	if c.Absent {
		put.IfGenerationMatch(0)
	}
	if c.Still != "" {
		generation, err := strconv.ParseInt(c.Still, 10, 64)
		if err != nil || generation <= 0 {
			return "", fmt.Errorf("writing gs://%s/%s: there can be no generation %q: %w", b.name, key, c.Still, serve.ErrInvalid)
		}
		put.IfGenerationMatch(generation)
	}
	err = b.calls.Do(ctx, "writing", key, func(ctx context.Context) error {
		out, err := put.Media(bytes.NewReader(body), contentType()).Context(ctx).Do()
		if err == nil {
			tag = strconv.FormatInt(out.Generation, 10)
		}
		return err
	})
	return tag, err
}

// contentType keeps the client from guessing what is in an object.
func contentType() googleapi.MediaOption { return googleapi.ContentType("application/octet-stream") }

// insert prepares to write an object. That the client does not try again by itself is
// why a call is over when its time is: see [retrying], which does.
func (b *Bucket) insert(o *storage.Object) *storage.ObjectsInsertCall {
	return b.storage.Objects.Insert(b.name, o).WithRetry(nil, func(error) bool { return false })
}

// Has implements [bucket.Bucket].
func (b *Bucket) Has(ctx context.Context, key string) (bool, error) {
	err := b.calls.Do(ctx, "looking for", key, func(ctx context.Context) error {
		_, err := b.storage.Objects.Get(b.name, key).Context(ctx).Do()
		return err
	})
	if errors.Is(err, serve.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Remove implements [bucket.Bucket].
func (b *Bucket) Remove(ctx context.Context, key string) error {
	err := b.calls.Do(ctx, "removing", key, func(ctx context.Context) error {
		return b.storage.Objects.Delete(b.name, key).Context(ctx).Do()
	})
	if errors.Is(err, serve.ErrNotFound) {
		return nil
	}
	return err
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) (keys []string, err error) {
	page := ""
	for {
		err := b.calls.Do(ctx, "listing", prefix, func(ctx context.Context) error {
			out, err := b.storage.Objects.List(b.name).Prefix(prefix).PageToken(page).Context(ctx).Do()
			if err != nil {
				return err
			}
			for _, object := range out.Items {
				keys = append(keys, object.Name)
			}
			page = out.NextPageToken
			return nil
		})
		if err != nil || page == "" {
			return keys, err
		}
	}
}
