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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
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
// has all that is to outlast the machine; see package bucket.
//
// Whoever uses it must also be allowed to list it: to others S3 does not say that an
// object is not there, but that they may not know.
type Bucket struct {
	name  string
	s3    *s3.Client
	calls bucket.Calls
}

var _ bucket.Bucket = (*Bucket)(nil)

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
	return &Bucket{name: o.Name, s3: o.Config.s3(cfg), calls: bucket.Calls{Where: "s3://" + o.Name, Meaning: meaning, Lost: lost}}, nil
}

// lost reports whether S3 is in trouble.
func lost(err error) bool {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && answer.HTTPStatusCode() >= http.StatusInternalServerError
}

// Get implements [bucket.Bucket]. The tag is the ETag.
func (b *Bucket) Get(ctx context.Context, key string) (body []byte, etag string, err error) {
	err = b.calls.Do(ctx, "reading", key, func(ctx context.Context) error {
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

// Put implements [bucket.Bucket].
func (b *Bucket) Put(ctx context.Context, key string, body []byte, c bucket.Condition) (etag string, err error) {
	err = b.calls.Do(ctx, "writing", key, func(ctx context.Context) error {
		in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body)}
		if c.Absent {
			in.IfNoneMatch = aws.String("*")
		}
		if c.Still != "" {
			in.IfMatch = &c.Still
		}
		out, err := b.s3.PutObject(ctx, in)
		if err == nil {
			etag = aws.ToString(out.ETag)
		}
		return err
	})
	return etag, err
}

// Has implements [bucket.Bucket].
func (b *Bucket) Has(ctx context.Context, key string) (bool, error) {
	err := b.calls.Do(ctx, "looking for", key, func(ctx context.Context) error {
		_, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
	if errors.Is(err, serve.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Remove implements [bucket.Bucket].
func (b *Bucket) Remove(ctx context.Context, key string) error {
	return b.calls.Do(ctx, "removing", key, func(ctx context.Context) error {
		_, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
		return err
	})
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(b.s3, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		err := b.calls.Do(ctx, "listing", prefix, func(ctx context.Context) error {
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
