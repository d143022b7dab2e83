// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func newBody(source io.Reader) *body {
	return &body{source: source, pool: &sync.Pool{New: func() any { return new(bytes.Buffer) }}}
}

// However a body is read in pieces, started over and read again, every try
// reads the same, and it can be started over while no more than the limit has
// been read.
func TestABodyIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(maxRemembered-3, maxRemembered+3)).Draw(t, "size")
		want := strings.Repeat("0123456789abcdef-", size/17+1)[:size]
		b := newBody(strings.NewReader(want))
		read := 0 // from the client
		for b.replayable() {
			b.rewind()
			part := rapid.IntRange(0, size).Draw(t, "part")
			if rapid.Bool().Draw(t, "whole") {
				part = size
			}
			got := make([]byte, part)
			if n, err := io.ReadFull(b, got); err != nil {
				t.Fatalf("read %d of %d: %v", n, part, err)
			}
			if string(got) != want[:part] {
				t.Fatal("a try read something else")
			}
			if read = max(read, part); read > maxRemembered && b.replayable() {
				t.Fatalf("replayable after %d bytes", read)
			}
			if read <= maxRemembered && !b.replayable() {
				t.Fatalf("not replayable after %d bytes", read)
			}
			if part == size {
				break
			}
		}
	})
}

// A backend may answer while it is still being sent what another one had before.
func TestABodyForgottenWhileItIsReplayedIsStillWhole(t *testing.T) {
	t.Parallel()
	b := newBody(strings.NewReader("hello, world"))
	before, got := make([]byte, 7), make([]byte, 2)
	if _, err := io.ReadFull(b, before); err != nil {
		t.Fatal(err)
	}
	b.rewind()
	if _, err := io.ReadFull(b, got); err != nil {
		t.Fatal(err)
	}
	b.forget()
	rest, err := io.ReadAll(b)
	if string(got)+string(rest) != "hello, world" || err != nil {
		t.Errorf("got %q and %q, %v", got, rest, err)
	}
	if b.replayable() {
		t.Error("a forgotten body counts as replayable")
	}
}

func TestABodyThatEndsBadly(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	b := newBody(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(broken)))
	if got, err := io.ReadAll(b); string(got) != "some" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v", got, err)
	}
	if b.replayable() || !errors.Is(b.fault(nil), broken) {
		t.Errorf("replayable %v, fault %v", b.replayable(), b.fault(nil))
	}
}

func TestABodyIsNotReadAfterItsEnd(t *testing.T) {
	t.Parallel()
	b := newBody(strings.NewReader("some"))
	b.stop(nil)
	if n, err := b.Read(make([]byte, 4)); n != 0 || !errors.Is(err, errStopped) {
		t.Errorf("read %d, %v", n, err)
	}
	if b.rewind(); !b.replayable() {
		t.Error("nothing was read, yet it is not replayable")
	}
}
