// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return digestPrefix + hex.EncodeToString(sum[:])
}

// held gives the keys of what the bucket holds.
func (d depot) held() string {
	d.Helper()
	keys, err := d.bucket(nil).list(d.Context(), "")
	if err != nil {
		d.Fatal(err)
	}
	return strings.Join(keys, " ")
}

func TestBundlesAreKeptInTheBucket(t *testing.T) {
	d, dir := newDepot(t), t.TempDir()
	b := NewBundles(d.bucket(nil), dir)
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
	b = NewBundles(d.bucket(nil), dir)
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
	d, dir := newDepot(t), t.TempDir()
	b := NewBundles(d.bucket(nil), dir)
	broken := errors.New("broken pipe")
	for name, row := range map[string]struct {
		content io.Reader
		limit   int64
		want    error
	}{
		"other content":           {strings.NewReader("goodbye"), maxBundle, serve.ErrInvalid},
		"more than there is room": {strings.NewReader("hello"), 4, serve.ErrInvalid},
		"half of it":              {io.MultiReader(strings.NewReader("he"), iotest.ErrReader(broken)), maxBundle, broken},
	} {
		if err := b.put(digestOf("hello"), row.content, row.limit); !errors.Is(err, row.want) {
			t.Errorf("putting %s: %v, want %v", name, err, row.want)
		}
	}
	for _, digest := range []string{"", "sha256:", "sha256:00", "../state.json", strings.ToUpper(digestOf("hello")), digestOf("hello")[len(digestPrefix):]} {
		_, hasErr := b.Has(digest)
		_, openErr := b.Open(digest)
		for _, err := range []error{hasErr, openErr, b.Put(digest, strings.NewReader("hello")), b.Keep(digest)} {
			if !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("the digest %q gives %v, want ErrInvalid", digest, err)
			}
		}
	}
	if held := d.held(); held != "" {
		t.Errorf("the bucket holds %s", held)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left is %v, %v", files, err)
	}
}

func TestS3RefusesWhatHasChangedOnTheWay(t *testing.T) {
	d := newDepot(t)
	d.aws.ExpectRefusals()
	sum := sha256.Sum256([]byte("hello"))
	if err := d.bucket(nil).putFile(t.Context(), "bundles/one", strings.NewReader("goodbye"), sum[:]); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("S3 says %v, want ErrInvalid", err)
	}
	if held := d.held(); held != "" {
		t.Errorf("the bucket holds %s", held)
	}
}

func TestBundlesThatNobodyNeedsAreRemoved(t *testing.T) {
	d := newDepot(t)
	d.save(d.store(), serve.State{}, 0)
	b := NewBundles(d.bucket(nil), t.TempDir())
	for _, content := range []string{"one", "two", "three"} {
		if err := b.Put(digestOf(content), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	// One that is needed and not there is nothing to say about.
	if err := b.Keep(digestOf("two"), digestOf("four")); err != nil {
		t.Fatal(err)
	}
	if want := bundlesPrefix + digestOf("two") + " " + stateKey; d.held() != want {
		t.Errorf("the bucket holds %s, want %s", d.held(), want)
	}
}
