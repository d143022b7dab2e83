// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// bundlesPrefix begins the keys of bundles; their digests follow.
	bundlesPrefix = "bundles/"
	digestPrefix  = "sha256:"
	// maxBundle is how large a bundle may be: it is what S3 takes in one request.
	maxBundle = 5 << 30
)

// Bundles keeps the bundles of one service in its bucket. Its methods may be called
// at the same time.
type Bundles struct {
	bucket Bucket
	dir    string
}

// NewBundles gives the bundles in a bucket. It touches nothing. A bundle that is put
// stands in a file in dir until it is there as a whole; empty is where the system has
// files for a while.
func NewBundles(b Bucket, dir string) *Bundles { return &Bundles{bucket: b, dir: dir} }

// Has reports whether the bundle is there. A malformed digest is
// [serve.ErrInvalid], here and in the other methods.
func (b *Bundles) Has(digest string) (bool, error) {
	key, _, err := parseDigest(digest)
	if err != nil {
		return false, err
	}
	return b.bucket.Has(context.Background(), key)
}

// Put stores a bundle; serve.ErrInvalid if the content has another digest, or is
// larger than is taken.
func (b *Bundles) Put(digest string, content io.Reader) error {
	if err := b.put(digest, content, maxBundle); err != nil {
		return fmt.Errorf("keeping bundle %q: %w", digest, err)
	}
	return nil
}

func (b *Bundles) put(digest string, content io.Reader, limit int64) (err error) {
	key, want, err := parseDigest(digest)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, "bundle-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(content, limit+1))
	switch sum := hash.Sum(nil); {
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: it has more than the %d bytes that are taken at once; put large files into a bucket of your own, or into the image", serve.ErrInvalid, limit)
	case string(sum) != string(want):
		return fmt.Errorf("%w: the content has the digest %q", serve.ErrInvalid, digestPrefix+hex.EncodeToString(sum))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return b.bucket.PutFile(context.Background(), key, f, want)
}

// Open reads a bundle; serve.ErrNotFound if it is not there.
func (b *Bundles) Open(digest string) (io.ReadCloser, error) {
	key, _, err := parseDigest(digest)
	if err != nil {
		return nil, err
	}
	return b.bucket.Open(context.Background(), key)
}

// Keep removes every bundle but these.
func (b *Bundles) Keep(digests ...string) error {
	kept := make(map[string]bool, len(digests))
	for _, digest := range digests {
		key, _, err := parseDigest(digest)
		if err != nil {
			return fmt.Errorf("removing bundles: %w", err)
		}
		kept[key] = true
	}
	keys, err := b.bucket.List(context.Background(), bundlesPrefix)
	for _, key := range keys {
		if !kept[key] {
			err = errors.Join(err, b.bucket.Remove(context.Background(), key))
		}
	}
	if err != nil {
		return fmt.Errorf("removing bundles: %w", err)
	}
	return nil
}

// parseDigest gives the key of the bundle with a digest, and the digest itself.
func parseDigest(digest string) (key string, sum []byte, err error) {
	text, ok := strings.CutPrefix(digest, digestPrefix)
	if sum, err = hex.DecodeString(text); !ok || err != nil || len(sum) != sha256.Size || strings.ToLower(text) != text {
		return "", nil, fmt.Errorf("%w: %q is not a digest", serve.ErrInvalid, digest)
	}
	return bundlesPrefix + digest, sum, nil
}
