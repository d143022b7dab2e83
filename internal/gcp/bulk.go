// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// pieceBytes is how much of a file is sent with one request.
const pieceBytes = 16 << 20

// PutFile implements [bucket.Bucket]. Cloud Storage takes it only if it has the CRC32C
// of the file that has the SHA-256.
func (b *Bucket) PutFile(ctx context.Context, key string, file io.ReadSeeker, digest []byte) error {
	bounded, cancel := context.WithTimeout(ctx, bucket.BulkPatience)
	defer cancel()
	whole, short := sha256.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, err := io.Copy(io.MultiWriter(whole, short), file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil && !bytes.Equal(whole.Sum(nil), digest) {
		err = fmt.Errorf("%w: the file has another digest", serve.ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("writing gs://%s/%s: %w", b.name, key, err)
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, short.Sum32()))
	put := b.insert(&storage.Object{Name: key, Crc32c: sum}).Media(file, contentType(), googleapi.ChunkSize(pieceBytes))
	_, err = put.Context(bounded).Do()
	return b.calls.Failed(ctx, "writing", key, err)
}

// Open implements [bucket.Bucket].
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	bounded, cancel := context.WithTimeout(ctx, bucket.BulkPatience)
	out, err := b.storage.Objects.Get(b.name, key).Context(bounded).Download()
	if err != nil {
		cancel()
		return nil, b.calls.Failed(ctx, "reading", key, err)
	}
	return bucket.Stream(out.Body, cancel, func(err error) error { return b.calls.Failed(ctx, "reading", key, err) }), nil
}
