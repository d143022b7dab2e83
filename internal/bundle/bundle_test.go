// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// tree writes files into a new directory. A name that ends in "/" is a
// directory, one that ends in "*" can be executed, and a content that begins
// with "-> " is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, mode := filepath.Join(dir, strings.TrimSuffix(name, "*")), fs.FileMode(0o644)
		if strings.HasSuffix(name, "*") {
			mode = 0o755
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, isLink := strings.CutPrefix(files[name], "-> ")
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(files[name]), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// look gives what tree would have to be given to make the directory.
func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case d.IsDir():
			files[name+"/"] = ""
			return nil
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			files[name] = "-> " + target
			return err
		}
		if info.Mode()&0o100 != 0 {
			name += "*"
		}
		content, err := os.ReadFile(path)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func pack(t *testing.T, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := bundle.Pack(&b, path); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func digest(t *testing.T, path string) string {
	t.Helper()
	d, err := bundle.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatIsUnpackedIsWhatWasPacked(t *testing.T) {
	dir := tree(t, map[string]string{
		"server.py":                          "print('hello')\n",
		"bin/start*":                         "#!/bin/sh\n",
		"data/empty/":                        "",
		"data/big":                           strings.Repeat("0123456789", 50_000),
		"data/latest":                        "-> big",
		"data/later":                         "-> not/yet/there",
		"up":                                 "-> data/../bin",
		"näme with blan":                     strings.Repeat("x", 513),
		strings.Repeat("long/", 60) + "name": "a name too long for an old tar",
	})
	to := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	if err := bundle.Unpack(bytes.NewReader(pack(t, dir)), to); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(look(t, dir), look(t, to)); diff != "" {
		t.Error(diff)
	}
	if from, to := digest(t, dir), digest(t, to); from != to {
		t.Errorf("the unpacked directory has the digest %s, not %s", to, from)
	}
}

func TestAFileIsUnpackedAsTheFile(t *testing.T) {
	dir := tree(t, map[string]string{"start*": "#!/bin/sh\n", "b/other-name*": "#!/bin/sh\n"})
	to := filepath.Join(t.TempDir(), "opt", "run")
	packed := pack(t, filepath.Join(dir, "start"))
	for range 2 { // the second time it is there already
		if err := bundle.Unpack(bytes.NewReader(packed), to); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"run*": "#!/bin/sh\n"}
	if diff := cmp.Diff(want, look(t, filepath.Dir(to))); diff != "" {
		t.Error(diff)
	}
	if a, b := digest(t, filepath.Join(dir, "start")), digest(t, filepath.Join(dir, "b/other-name")); a != b {
		t.Errorf("the digest of a file depends on its name: %s and %s", a, b)
	}
}

func TestUnpackJoinsWhatIsThere(t *testing.T) {
	dir := tree(t, map[string]string{"a": "new", "sub/b": "new", "l": "-> a"})
	to := tree(t, map[string]string{"a": "old", "sub/c": "old", "l": "old"})
	if err := bundle.Unpack(bytes.NewReader(pack(t, dir)), to); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "new", "sub/": "", "sub/b": "new", "sub/c": "old", "l": "-> a"}
	if diff := cmp.Diff(want, look(t, to)); diff != "" {
		t.Error(diff)
	}
}

func TestDigestFollowsFromContentAlone(t *testing.T) {
	files := map[string]string{"a": "1", "b*": "2", "d/": "", "l": "-> a"}
	dir := tree(t, files)
	first := digest(t, dir)
	// Pinned: another digest for the same files would show every user a diff.
	if want := "sha256:9f7d9317acd530d2deb2847d32a59a36d62ef43dbdc649efc023442f3e6174f1"; first != want {
		t.Errorf("digest is %s, want %s", first, want)
	}
	sum := sha256.Sum256(pack(t, dir))
	if want := "sha256:" + hex.EncodeToString(sum[:]); first != want {
		t.Errorf("digest is %s, but what is packed has %s", first, want)
	}

	other := tree(t, files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	if err := errors.Join(os.Chtimes(filepath.Join(other, "a"), old, old), os.Chmod(filepath.Join(other, "a"), 0o600),
		os.Chmod(filepath.Join(other, "b"), 0o700), os.Chmod(filepath.Join(other, "d"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, other); got != first {
		t.Errorf("times and rights have changed the digest to %s", got)
	}

	for name, files := range map[string]map[string]string{
		"an edited file":       {"a": "3", "b*": "2", "d/": "", "l": "-> a"},
		"a file made runnable": {"a*": "1", "b*": "2", "d/": "", "l": "-> a"},
		"a renamed file":       {"c": "1", "b*": "2", "d/": "", "l": "-> a"},
		"a directory less":     {"a": "1", "b*": "2", "l": "-> a"},
		"another link":         {"a": "1", "b*": "2", "d/": "", "l": "-> b"},
	} {
		if digest(t, tree(t, files)) == first {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		name  string
	}{
		"a link to an absolute path":       {map[string]string{"sub/l": "-> /etc/passwd"}, "sub/l"},
		"a link that climbs out":           {map[string]string{"sub/l": "-> ../../x"}, "sub/l"},
		"a link that climbs out by a link": {map[string]string{"a/b/top": "-> ../..", "a/b/l": "-> top/.."}, "a/b/l"},
		"a dangling link that climbs out":  {map[string]string{"l": "-> no/../../x"}, "l"},
		"a link to itself":                 {map[string]string{"l": "-> l"}, "l"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := bundle.Pack(io.Discard, tree(t, tt.files))
			if !errors.Is(err, serve.ErrInvalid) || !strings.Contains(err.Error(), `"`+tt.name+`"`) {
				t.Errorf("got %v, want an invalid one that names %q", err, tt.name)
			}
		})
	}
	t.Run("a socket, unless it is left out", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "b") //nolint:usetesting // the path of t.TempDir may be too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		if err := bundle.Pack(io.Discard, dir); !errors.Is(err, serve.ErrInvalid) || !strings.Contains(err.Error(), `"s"`) {
			t.Errorf("got %v, want an invalid one that names the socket", err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".skyignore"), []byte("/s"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := bundle.Pack(io.Discard, dir); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		if err := bundle.Pack(io.Discard, filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnpackRefuses(t *testing.T) {
	reg := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	tests := map[string][]tar.Header{
		"an absolute name":                     {reg("/evil")},
		"a name that climbs out":               {reg("a/../../evil")},
		"a link to an absolute path":           {link("evil", "/etc")},
		"a link that climbs out":               {link("d/evil", "../../x")},
		"a link that climbs out by a link":     {link("a/b/top", "../.."), link("a/b/evil", "top/..")},
		"a name below a link":                  {link("evil", "d"), reg("evil/x")},
		"a hard link":                          {reg("a"), {Typeflag: tar.TypeLink, Name: "evil", Linkname: "a"}},
		"a device":                             {{Typeflag: tar.TypeChar, Name: "evil"}},
		"a pipe":                               {{Typeflag: tar.TypeFifo, Name: "evil"}},
		"a second entry behind the only file":  {reg("."), reg("evil")},
		"a directory where there is to a file": {reg("evil"), {Typeflag: tar.TypeDir, Name: "evil/x/"}},
	}
	for name, headers := range tests {
		t.Run(name, func(t *testing.T) {
			around := t.TempDir()
			err := bundle.Unpack(bytes.NewReader(archive(t, headers...)), filepath.Join(around, "x", "in"))
			if err == nil || !strings.Contains(err.Error(), "evil") {
				t.Errorf("got %v, want an error that names the entry", err)
			}
			for file := range look(t, around) {
				if strings.Contains(file, "evil") && !strings.HasPrefix(file, "x/in/evil") {
					t.Errorf("%s was written", file)
				}
			}
		})
	}
	huge := reg("evil")
	huge.Size = bundle.MaxBytes + 1
	broken := pack(t, tree(t, map[string]string{"a": strings.Repeat("a", 4000)}))
	for name, content := range map[string][]byte{
		"more bytes than any bundle may hold": header(t, huge),
		"what is no archive":                  []byte("hello"),
		"nothing at all":                      nil,
		"an archive cut short":                broken[:len(broken)/2],
		"an archive with a flipped bit":       flip(broken, len(broken)/2),
		"an archive with a long tail":         append(slices.Clone(broken), zipped(t, make([]byte, 2<<20))...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := bundle.Unpack(bytes.NewReader(content), t.TempDir()); !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("got %v, want it invalid", err)
			}
		})
	}
}

func TestUnpackDoesNotBlameTheBundleForItsReader(t *testing.T) {
	reset := errors.New("connection reset")
	half := pack(t, tree(t, map[string]string{"a": strings.Repeat("a", 4000)}))[:2000]
	err := bundle.Unpack(io.MultiReader(bytes.NewReader(half), iotest.ErrReader(reset)), t.TempDir())
	if !errors.Is(err, reset) || errors.Is(err, serve.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestUnpackNeverWritesThroughALinkThatIsThere(t *testing.T) {
	outside := t.TempDir()
	to := tree(t, map[string]string{"l": "-> " + outside, "f": "-> " + filepath.Join(outside, "f")})
	regular := tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o644}
	if err := bundle.Unpack(bytes.NewReader(archive(t, regular)), to); err != nil {
		t.Errorf("a link in the place of a file is to be replaced: %v", err)
	}
	regular.Name = "l/x"
	if err := bundle.Unpack(bytes.NewReader(archive(t, regular)), to); err == nil {
		t.Error("a file below a link to elsewhere was unpacked")
	}
	if files := look(t, outside); len(files) > 0 {
		t.Errorf("written outside: %v", files)
	}
}

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, b.Bytes())
}

// header gives an archive that ends where the content of its first entry would begin.
func header(t *testing.T, h tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	return zipped(t, b.Bytes())
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func flip(content []byte, at int) []byte {
	content = slices.Clone(content)
	content[at] ^= 1
	return content
}
