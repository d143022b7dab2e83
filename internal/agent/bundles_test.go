// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// heavy gives a bundle of some megabytes.
func heavy(t *testing.T) (digest string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	data := make([]byte, 4<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(filepath.Join(dir, "model"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	digests, open := packed(t, dir)
	from, err := open(digests[0])
	if err != nil {
		t.Fatal(err)
	}
	content, err = io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return digests[0], content
}

func TestFilesAreMountedWhereTheyAreToBe(t *testing.T) {
	r := newRig(t, time.Hour)
	home, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	r.agent()
	digests, open := packed(t, "doc.go")
	s := r.supplies("cmp sub/a ~/b && cmp ~/b " + elsewhere + "/c && echo $HOME")
	s.Bundle = open
	s.Order.Task.FileMounts = map[string]string{
		"sub/a": digests[0], "~/b": digests[0], elsewhere + "/c": digests[0],
	}
	c := r.client()
	r.furnish(c, s)
	if state := r.await(c, "the end of run", exited); state.ExitCode != 0 {
		t.Errorf("a file is not where it is to be: %+v: %s", state, r.log(c))
	}
	if log := r.log(c); log != home+"\n" {
		t.Errorf("the program has the home %q, want %q", log, home)
	}
	left, err := filepath.Glob(filepath.Join(r.dir, bundlesDir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("bundles are kept that are not needed any more: %v: %v", left, err)
	}
}

// A bundle that does not come as it is to be is not used; sent once more it is.
func TestBundlesThatComeBadlyAreSentAgain(t *testing.T) {
	digest, content := heavy(t)
	broken := errors.New("the disk is broken")
	tests := map[string]struct {
		open  func() io.Reader
		means error
	}{
		"another content":       {func() io.Reader { return bytes.NewReader(append([]byte("x"), content...)) }, serve.ErrInvalid},
		"only half of it":       {func() io.Reader { return bytes.NewReader(content[:len(content)/2]) }, serve.ErrInvalid},
		"nothing":               {func() io.Reader { return bytes.NewReader(nil) }, serve.ErrInvalid},
		"a disk that is broken": {func() io.Reader { return io.MultiReader(bytes.NewReader(content[:1<<20]), failing{broken}) }, broken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, time.Hour)
			r.agent()
			c := r.client()
			s := r.supplies("wc -c <model")
			s.Order.Task.Workdir = digest
			s.Bundle = func(string) (io.ReadCloser, error) { return io.NopCloser(tt.open()), nil }
			if err := c.Furnish(r.ctx, s); !errors.Is(err, tt.means) || errors.Is(err, serve.ErrUnreachable) {
				t.Fatalf("Furnish gives %v, want %v", err, tt.means)
			}
			s.Bundle = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
			r.furnish(c, s)
			r.await(c, "the end of run", exited)
			if log := r.log(c); log != "4194304\n" {
				t.Errorf("the file has %q bytes", log)
			}
		})
	}
}

// failing is what cannot be read.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// A line that breaks while something is sent is tried again, for as long as the
// caller has patience: the program, which the machine receives by receive.py, and
// what it needs.
func TestALineThatBreaksIsTriedAgain(t *testing.T) {
	python(t)
	digest, content := heavy(t)
	r := newRig(t, time.Hour)
	r.unit()
	address, broken := bad(t, r.address, 1<<20)
	c := NewClient(ClientOptions{Address: address, Keys: r.keys, Young: true})
	defer c.Close()
	s := r.supplies("wc -c <model")
	s.Order.Task.Workdir = digest
	s.Bundle = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	r.furnish(c, s)
	r.await(c, "the end of run", exited)
	if log := r.log(c); log != "4194304\n" {
		t.Errorf("the file has %q bytes", log)
	}
	if n := broken.Load(); n < 3 {
		t.Errorf("the line was broken %d times", n)
	}
}

// bad is a line to address whose connections break after some bytes, each time
// twice as many, and counts how often.
func bad(t *testing.T, address string, bytes int64) (string, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var broken atomic.Int64
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
			if err != nil {
				near.Close()
				continue
			}
			go func() { _, _ = io.Copy(near, far); near.Close() }()
			go func() {
				if n, _ := io.CopyN(far, near, bytes<<broken.Load()); n == bytes<<broken.Load() {
					broken.Add(1)
				}
				near.Close()
				far.Close()
			}()
		}
	}()
	return l.Addr().String(), &broken
}
