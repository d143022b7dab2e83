// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return bucket.DigestPrefix + hex.EncodeToString(sum[:])
}

func TestBundlesAreKeptInTheBucket(t *testing.T) {
	t.Parallel()
	d, dir := newDepot(t), t.TempDir()
	b := bucket.NewBundles(d.bucket, dir)
	content := strings.Repeat("0123456789abcdef", 1<<16)
	digest := digestOf(content)
	if there, err := b.Has(digest); there || err != nil {
		t.Errorf("Has = %v, %v before it was put", there, err)
	}
	if _, err := b.Open(digest); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Open = %v before it was put, want ErrNotFound", err)
	}
	for range 2 { // twice is once
		if err := b.Put(digest, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	b = bucket.NewBundles(d.bucket, dir)
	if there, err := b.Has(digest); !there || err != nil {
		t.Errorf("Has = %v, %v", there, err)
	}
	r, err := b.Open(digest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != content {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(content), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left is %v, %v", files, err)
	}
}

func TestBundlesOfAnotherDigestAreRefused(t *testing.T) {
	t.Parallel()
	d, dir := newDepot(t), t.TempDir()
	b := bucket.NewBundles(d.bucket, dir)
	broken := errors.New("broken pipe")
	for name, row := range map[string]struct {
		content io.Reader
		limit   int64
		want    error
	}{
		"other content":           {strings.NewReader("goodbye"), bucket.MaxBundle, serve.ErrInvalid},
		"more than there is room": {strings.NewReader("hello"), 4, serve.ErrInvalid},
		"half of it":              {io.MultiReader(strings.NewReader("he"), iotest.ErrReader(broken)), bucket.MaxBundle, broken},
	} {
		if err := b.PutWithin(digestOf("hello"), row.content, row.limit); !errors.Is(err, row.want) {
			t.Errorf("putting %s: %v, want %v", name, err, row.want)
		}
	}
	for _, digest := range []string{"", "sha256:", "sha256:00", "../state.json", strings.ToUpper(digestOf("hello")), digestOf("hello")[len(bucket.DigestPrefix):]} {
		_, hasErr := b.Has(digest)
		_, openErr := b.Open(digest)
		for _, err := range []error{hasErr, openErr, b.Put(digest, strings.NewReader("hello")), b.Keep(digest)} {
			if !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("the digest %q gives %v, want ErrInvalid", digest, err)
			}
		}
	}
	if held := d.held(); len(held) > 0 {
		t.Errorf("the bucket holds %s", held)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left is %v, %v", files, err)
	}
}

func TestBundlesThatNobodyNeedsAreRemoved(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	servetest.Save(d, d.store(), serve.State{}, 0)
	b := bucket.NewBundles(d.bucket, t.TempDir())
	for _, content := range []string{"one", "two", "three"} {
		if err := b.Put(digestOf(content), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	// One that is needed and not there is nothing to say about.
	if err := b.Keep(digestOf("two"), digestOf("four")); err != nil {
		t.Fatal(err)
	}
	if want := []string{bucket.BundlesPrefix + digestOf("two"), bucket.StateKey}; !slices.Equal(d.held(), want) {
		t.Errorf("the bucket holds %s, want %s", d.held(), want)
	}
}
