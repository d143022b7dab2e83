// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// example gives a bundle that holds one file with the given content.
func example(t *testing.T, content string) (name string, packed []byte) {
	t.Helper()
	dir := tree(t, map[string]string{"f": content})
	return digest(t, dir), pack(t, dir)
}

func openDir(t *testing.T, path string) *bundle.Dir {
	t.Helper()
	d, err := bundle.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func has(t *testing.T, d *bundle.Dir, digest string) bool {
	t.Helper()
	ok, err := d.Has(digest)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestDirKeepsBundles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "[a] new", "dir")
	d := openDir(t, path)
	name, content := example(t, "hello")
	if has(t, d, name) {
		t.Error("it has a bundle that was never put")
	}
	if _, err := d.Open(name); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("opening what was never put: %v", err)
	}
	for range 2 { // twice is once
		if err := d.Put(name, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	d = openDir(t, path)
	if !has(t, d, name) {
		t.Error("it has forgotten the bundle")
	}
	r, err := d.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(content), err)
	}
}

func TestDirRefusesWrongContent(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	name, _ := example(t, "hello")
	_, other := example(t, "goodbye")
	if err := d.Put(name, bytes.NewReader(other)); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("putting wrong content: %v", err)
	}
	broken := errors.New("broken pipe")
	if err := d.Put(name, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("putting from a broken reader: %v", err)
	}
	if has(t, d, name) {
		t.Error("it has kept the wrong content")
	}
	if files := look(t, path); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestDirRefusesWhatIsNoDigest(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, filepath.Join(path, "bundles"))
	sum := strings.Repeat("0", 64)
	for _, digest := range []string{
		"", "sha256:", sum, "sha512:" + sum, "sha256:" + sum[1:], "sha256:" + sum + "0", "sha256:" + strings.Repeat("A", 64),
		"sha256:../" + sum[3:], "sha256:" + sum[:63] + "/", "../secret",
	} {
		_, hasErr := d.Has(digest)
		_, openErr := d.Open(digest)
		for method, err := range map[string]error{
			"Has": hasErr, "Open": openErr, "Put": d.Put(digest, strings.NewReader("")), "Keep": d.Keep(digest),
		} {
			if !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("%s(%q): %v", method, digest, err)
			}
		}
	}
	if diff := cmp.Diff(map[string]string{"bundles/": ""}, look(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestDirKeep(t *testing.T) {
	d := openDir(t, t.TempDir())
	var names []string
	for _, content := range []string{"a", "b", "c"} {
		name, packed := example(t, content)
		if err := d.Put(name, bytes.NewReader(packed)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	absent, _ := example(t, "never put")
	if err := d.Keep(names[1], absent); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false} {
		if got := has(t, d, names[i]); got != want {
			t.Errorf("bundle %d is there: %v, want %v", i, got, want)
		}
	}
	if err := d.Keep(); err != nil || has(t, d, names[1]) {
		t.Errorf("keeping none has kept one: %v", err)
	}
}

func TestOpenDirClearsAwayWhatACrashLeft(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, ".part-123"), []byte("half a bund"), 0o600); err != nil {
		t.Fatal(err)
	}
	openDir(t, path)
	if files := look(t, path); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}
