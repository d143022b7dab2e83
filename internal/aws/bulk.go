// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
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
	return b.calls.Failed(ctx, "writing", key, err)
}

// Open implements [bucket.Bucket].
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	bounded, cancel := context.WithTimeout(ctx, bucket.BulkPatience)
	out, err := b.s3.GetObject(bounded, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		cancel()
		return nil, b.calls.Failed(ctx, "reading", key, err)
	}
	return bucket.Stream(out.Body, cancel, func(err error) error { return b.calls.Failed(ctx, "reading", key, err) }), nil
}
