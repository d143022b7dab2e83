// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// depot is a bucket of a test.
type depot struct {
	*testing.T
	bucket *buckettest.Memory
}

func newDepot(t *testing.T) depot { return depot{t, buckettest.New()} }

func (d depot) store() *record.Store { return bucket.NewStore(d.bucket) }

// held gives the keys of what the bucket holds.
func (d depot) held() []string {
	d.Helper()
	keys, err := d.bucket.List(d.Context(), "")
	if err != nil {
		d.Fatal(err)
	}
	return keys
}

func TestBucketInMemory(t *testing.T) {
	t.Parallel()
	buckettest.TestBucket(t, func(*testing.T) bucket.Bucket { return buckettest.New() })
}

func TestStore(t *testing.T) {
	t.Parallel()
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		t.Helper()
		d := newDepot(t)
		return func() serve.Store { return d.store() }
	})
}

func TestASaveIsOneRequest(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	s := d.store()
	state := buckettest.Save(d, s, serve.State{}, 0)
	before := d.bucket.Calls()
	for range 100 {
		state = buckettest.Save(d, s, state, 3)
	}
	// 300 events have been appended, so that one save has turned a page, which is
	// one request more.
	got := d.bucket.Calls()
	maps.DeleteFunc(got, func(name string, n int) bool { return n == before[name] })
	if len(got) != 1 || got["Put"]-before["Put"] != 101 {
		t.Errorf("100 saves took %v after %v, want 101 times Put", got, before)
	}
}

func TestOldPagesAreRemoved(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	s := d.store()
	var state serve.State
	for range 60 {
		state = buckettest.Save(d, s, state, 100)
	}
	// A page has 300 events, so that four of them and the state are enough, and a
	// page more when the oldest of the thousand is on it.
	if keys := d.held(); len(keys) > 6 {
		t.Errorf("there are %q", keys)
	}
	events, err := s.Events(t.Context(), 0, 10_000)
	if err != nil || len(events) < 1000 || len(events) > 2000 || events[len(events)-1].Seq != 6000 {
		t.Fatalf("%d events are left (%v)", len(events), err)
	}
	for i, e := range events {
		if e.Seq != events[0].Seq+int64(i) {
			t.Fatalf("event %d comes after event %d", e.Seq, events[i-1].Seq)
		}
	}
}

// lost gives what loses the answers to the next saves of the state.
func lost(n int) func(call, key string) error {
	return func(call, key string) error {
		if call != "Put" || key != bucket.StateKey || n == 0 {
			return nil
		}
		n--
		return serve.ErrUnreachable
	}
}

func TestALostAnswerIsNoConflict(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"once": 1, "again and again": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDepot(t)
				s := d.store()
				var state serve.State
				for i := range 3 {
					d.bucket.Lose(lost(n))
					state.Name = fmt.Sprint("save-", i)
					state = buckettest.Save(d, s, state, 1)
				}
				buckettest.Stored(d, d.bucket, 3, "save-2", 3)
			})
		})
	}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t)
		s := d.store()
		state := buckettest.Save(d, s, serve.State{Name: "first"}, 1)
		away := func(string, string) error { return serve.ErrUnreachable }
		d.bucket.Lose(away)
		state.Name = "lost"
		if _, _, err := s.Save(t.Context(), state, make([]serve.Event, 2)); !errors.Is(err, serve.ErrUnreachable) || !strings.Contains(err.Error(), "is not known") {
			t.Fatalf("Save: %v, want ErrUnreachable", err)
		}
		d.bucket.Lose(nil)
		buckettest.Stored(d, d.bucket, 2, "lost", 3)
		state.Name = "anew"
		state = buckettest.Save(d, s, state, 3)
		buckettest.Stored(d, d.bucket, 2, "anew", 4)
		// Someone else's save in between is a conflict all the same.
		d.bucket.Lose(away)
		if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrUnreachable) {
			t.Fatalf("Save: %v, want ErrUnreachable", err)
		}
		d.bucket.Lose(nil)
		other := d.store()
		theirs, err := other.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		buckettest.Save(d, other, theirs, 0)
		if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
	})
}

func TestOfTwoControllersOneGoesOn(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	buckettest.Save(d, d.store(), serve.State{Name: "web"}, 1)
	one, two := d.store(), d.store()
	seen, err := one.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	buckettest.Save(d, two, seen, 1)
	for range 2 { // and not at its second attempt either
		if _, _, err := one.Save(t.Context(), seen, make([]serve.Event, 1)); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
	}
	buckettest.Stored(d, d.bucket, 2, "web", 2)
}

func TestARemovedServiceIsAConflict(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	s := d.store()
	state := buckettest.Save(d, s, serve.State{}, 0)
	if err := d.bucket.Remove(t.Context(), bucket.StateKey); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*record.Store{s, d.store()} {
		if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
	}
	// Not even one of the same version is saved over.
	buckettest.Save(d, d.store(), serve.State{}, 0)
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Save over the state of the next service: %v, want ErrConflict", err)
	}
}

// shut is a bucket in which the state may not be written.
type shut struct{ bucket.Bucket }

func (s shut) Put(ctx context.Context, key string, body []byte, c bucket.Condition) (string, error) {
	if key == bucket.StateKey {
		return "", serve.ErrUnauthorized
	}
	return s.Bucket.Put(ctx, key, body, c)
}

func TestALoserWritesTheSamePage(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	state := buckettest.Save(d, d.store(), serve.State{}, 300)
	// One turns the page, and its save is refused.
	if _, _, err := bucket.NewStore(shut{d.bucket}).Save(t.Context(), state, nil); !errors.Is(err, serve.ErrUnauthorized) {
		t.Fatalf("Save: %v, want ErrUnauthorized", err)
	}
	buckettest.Save(d, d.store(), state, 1)
	buckettest.Stored(d, d.bucket, 2, "", 301)
}

func TestAStateOfANewerProgramIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	if _, err := d.bucket.Put(t.Context(), bucket.StateKey, []byte(`{"format": 2, "version": 7}`), bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	s := d.store()
	if _, err := s.Load(t.Context()); err == nil || errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
	if _, _, err := s.Save(t.Context(), serve.State{Version: 7}, nil); err == nil {
		t.Error("it was saved over")
	}
}

func TestWhatOlderProgramsHaveStoredIsRead(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for key, body := range map[string]string{
		"state.json": `{"format":1,"version":7,"id":"FIRST","save":"LAST","first":3,"last":3,"pages":[{"first":1,"last":2}],` +
			`"events":[{"seq":3,"message":"three"}],"state":{"version":7,"name":"web"}}`,
		"events/000000000001.json": `{"id":"FIRST","events":[{"seq":1,"message":"one"},{"seq":2,"message":"two"}]}`,
	} {
		if _, err := d.bucket.Put(t.Context(), key, []byte(body), bucket.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	buckettest.Stored(d, d.bucket, 7, "web", 3)
	buckettest.Save(d, d.store(), serve.State{Version: 7, Name: "web"}, 1)
	buckettest.Stored(d, d.bucket, 8, "web", 4)
}
