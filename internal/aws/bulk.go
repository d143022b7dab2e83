// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
)

// PutFile implements [bucket.Bucket].
func (b *Bucket) PutFile(ctx context.Context, key string, file io.ReadSeeker, sha256 []byte) error {
	bounded, cancel := context.WithTimeout(ctx, bucket.BulkPatience)
	defer cancel()
	sum := base64.StdEncoding.EncodeToString(sha256)
	_, err := b.s3.PutObject(bounded, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: file, ChecksumSHA256: &sum})
	return b.failed(ctx, "writing", key, err)
}

// Open implements [bucket.Bucket].
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	bounded, cancel := context.WithTimeout(ctx, bucket.BulkPatience)
	out, err := b.s3.GetObject(bounded, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		cancel()
		return nil, b.failed(ctx, "reading", key, err)
	}
	failed := func(err error) error { return b.failed(ctx, "reading", key, err) }
	return &stream{ReadCloser: out.Body, failed: failed, cancel: cancel}, nil
}

// stream is an object that is being read.
type stream struct {
	io.ReadCloser
	failed func(error) error
	cancel context.CancelFunc
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.failed(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (s *stream) Close() error {
	defer s.cancel()
	return s.ReadCloser.Close()
}
