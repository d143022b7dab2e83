// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// putFile writes an object from a file, or whatever else can be read again. S3 takes
// it only if it has the SHA-256.
func (b *Bucket) putFile(ctx context.Context, key string, file io.ReadSeeker, sha256 []byte) error {
	bounded, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	sum := base64.StdEncoding.EncodeToString(sha256)
	_, err := b.s3.PutObject(bounded, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: file, ChecksumSHA256: &sum})
	return b.failed(ctx, "writing", key, err)
}

// getStream reads an object as it comes; serve.ErrNotFound if it is not there.
func (b *Bucket) getStream(ctx context.Context, key string) (io.ReadCloser, error) {
	bounded, cancel := context.WithTimeout(ctx, bulkPatience)
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
