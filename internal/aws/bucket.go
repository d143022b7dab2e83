// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// callPatience bounds a call about something small, and bulkPatience one about a
// bundle: five gigabytes over a slow line.
const (
	callPatience = time.Minute
	bulkPatience = 2 * time.Hour
)

// BucketOptions say which bucket, and how AWS is reached.
type BucketOptions struct {
	// Config names the bucket's own region.
	Config Config
	Name   string
	// Transport replaces the way to AWS; tests put a network of their own here.
	Transport http.RoundTripper
	// Log receives what the client of S3 has to say on the side; nil discards it.
	Log *slog.Logger
}

// Bucket is where in S3 a service that a controller on a machine of AWS looks after
// has all that is to outlast the machine: its state, its bundles, and the logs of
// replicas that are gone. Its methods may be called at the same time.
type Bucket struct {
	name string
	s3   *s3.Client
}

// OpenBucket finds credentials. S3 itself is not asked for anything yet, so that a
// bucket that is not there shows when it is first used.
func OpenBucket(ctx context.Context, o BucketOptions) (*Bucket, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	cfg, err := o.Config.load(ctx, o.Transport)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %q: %w", o.Name, err)
	}
	cfg.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
		o.Log.Warn("the client of S3 has something to say", "bucket", o.Name, "message", fmt.Sprintf(format, args...))
	})
	return &Bucket{name: o.Name, s3: o.Config.s3(cfg)}, nil
}

// condition is what must be so for an object to be put.
type condition struct {
	match *string // its present ETag
	none  *string // "*" where there must be none
}

func whatever() condition           { return condition{} }
func ifAbsent() condition           { return condition{none: aws.String("*")} }
func ifStill(etag string) condition { return condition{match: &etag} }

// get reads an object, and tells its ETag; serve.ErrNotFound if it is not there.
func (b *Bucket) get(ctx context.Context, key string) (body []byte, etag string, err error) {
	err = b.call(ctx, "reading", key, func(ctx context.Context) error {
		out, err := b.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		etag = aws.ToString(out.ETag)
		body, err = io.ReadAll(out.Body)
		return err
	})
	return body, etag, err
}

// put writes an object if the condition holds, and serve.ErrConflict says that it
// does not; serve.ErrNotFound if there is no object whose ETag could be the one that
// was asked for. An answer that was lost may have left it written.
func (b *Bucket) put(ctx context.Context, key string, body []byte, c condition) (etag string, err error) {
	err = b.call(ctx, "writing", key, func(ctx context.Context) error {
		out, err := b.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &b.name, Key: &key, Body: bytes.NewReader(body), IfMatch: c.match, IfNoneMatch: c.none,
		})
		if err == nil {
			etag = aws.ToString(out.ETag)
		}
		return err
	})
	return etag, err
}

// has reports whether there is an object.
func (b *Bucket) has(ctx context.Context, key string) (bool, error) {
	err := b.call(ctx, "looking for", key, func(ctx context.Context) error {
		_, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
	if errors.Is(err, serve.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// remove removes an object, if there is one.
func (b *Bucket) remove(ctx context.Context, key string) error {
	return b.call(ctx, "removing", key, func(ctx context.Context) error {
		_, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
}

// list gives the keys of all objects that begin with prefix, in order.
func (b *Bucket) list(ctx context.Context, prefix string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(b.s3, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		err := b.call(ctx, "listing", prefix, func(ctx context.Context) error {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, object := range page.Contents {
				keys = append(keys, aws.ToString(object.Key))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// call does something about an object within callPatience, and says what went
// wrong.
func (b *Bucket) call(ctx context.Context, doing, key string, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	return b.failed(ctx, doing, key, do(bounded))
}

// failed says what went wrong with an object. S3 that does not answer is told from
// a caller that has stopped waiting for it.
func (b *Bucket) failed(ctx context.Context, doing, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	default:
		err = meaning(err)
	}
	return fmt.Errorf("%s s3://%s/%s: %w", doing, b.name, key, err)
}
