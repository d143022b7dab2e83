// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bolt_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/serve-infra/terraform-provider-serve/internal/bolt"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func open(t *testing.T, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		path := filepath.Join(t.TempDir(), "state.db")
		return func() serve.Store { return open(t, path) }
	})
}

func TestOneOpenerAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	first := open(t, path)
	begin := time.Now()
	if _, err := bolt.Open(path); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("the second opener got %v, want ErrConflict", err)
	}
	if waited := time.Since(begin); waited > 5*time.Second {
		t.Errorf("the second opener waited %v", waited)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	path := filepath.Join(t.TempDir(), "state.db")
	defer open(t, path).Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the file has the mode %o, want 600", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	files := map[string]struct {
		path, says string
	}{
		"a path in no directory":   {filepath.Join(dir, "gone", "state.db"), "gone"},
		"a file of something else": {filepath.Join(dir, "text"), "text"},
		"a state of a newer form":  {filepath.Join(dir, "newer"), "format 2"},
		"a state that is broken":   {filepath.Join(dir, "broken"), "broken"},
	}
	if err := os.WriteFile(files["a file of something else"].path, []byte(strings.Repeat("hello\n", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, files["a state of a newer form"].path, `{"format":2,"state":["who","knows"]}`)
	write(t, files["a state that is broken"].path, `{"format":1,"sta`)
	for name, tt := range files {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the file is not left locked
				_, err := bolt.Open(tt.path)
				if err == nil || errors.Is(err, serve.ErrConflict) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want an error that says %q", err, tt.says)
				}
			}
		})
	}
}

// write makes a store whose state is the given text.
func write(t *testing.T, path, state string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("state"))
		if err != nil {
			return err
		}
		return b.Put([]byte("state"), []byte(state))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOldEventsAreForgotten(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer s.Close()
	var state serve.State
	var last int64
	for _, n := range []int{1, 12_000, 1, 2_500} {
		version, l, err := s.Save(t.Context(), state, make([]serve.Event, n))
		if err != nil {
			t.Fatal(err)
		}
		state.Version, last = version, l
	}
	events, err := s.Events(t.Context(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if last != 14_502 || len(events) != 10_000 || events[0].Seq != 4_503 || events[9_999].Seq != last {
		t.Errorf("%d events from %d are left, and the last is %d; want 10,000 from 4,503 to 14,502",
			len(events), events[0].Seq, last)
	}
}

func TestAStateThatCannotBeWrittenChangesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer s.Close()
	if _, _, err := s.Save(t.Context(), serve.State{Memory: json.RawMessage(`{"a`)}, nil); err == nil {
		t.Error("a memory that is no JSON was saved")
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("the refused save left something: %v", err)
	}
}
