// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// depot is a bucket of a test.
type depot struct {
	*testing.T
	bucket *buckettest.Memory
}

func newDepot(t *testing.T) depot { return depot{t, buckettest.New()} }

func (d depot) store() serve.Store { return bucket.NewStore(d.bucket) }

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
		return d.store
	})
}

func TestASaveIsOneRequest(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	s := d.store()
	state := servetest.Save(d, s, serve.State{}, 0)
	before := d.bucket.Calls()
	for range 100 {
		state = servetest.Save(d, s, state, 3)
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
	servetest.TestManyEvents(t, d.store())
	// A page has 300 events, so that four of them and the state are enough, and a
	// page more when the oldest of the thousand is on it.
	if keys := d.held(); len(keys) > 6 {
		t.Errorf("there are %q", keys)
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
				servetest.TestSavesInTrouble(t, d.store(), func() { d.bucket.Lose(lost(n)) })
			})
		})
	}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t)
		servetest.TestLostSaves(t, d.store(), func(off bool) {
			d.bucket.Lose(func(string, string) error {
				if off {
					return serve.ErrUnreachable
				}
				return nil
			})
		}, d.store)
	})
}

func TestOfTwoControllersOneGoesOn(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	servetest.Save(d, d.store(), serve.State{Name: "web"}, 1)
	one, two := d.store(), d.store()
	seen, err := one.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	servetest.Save(d, two, seen, 1)
	for range 2 { // and not at its second attempt either
		if _, _, err := one.Save(t.Context(), seen, make([]serve.Event, 1)); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
	}
	servetest.Stored(d, d.store(), 2, "web", 2)
}

func TestARemovedServiceIsAConflict(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	servetest.TestRemovedState(t, d.store, func() {
		if err := d.bucket.Remove(t.Context(), bucket.StateKey); err != nil {
			t.Fatal(err)
		}
	})
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
	servetest.TestPageOfALoser(t, bucket.NewStore(shut{d.bucket}), serve.ErrUnauthorized, d.store)
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
	servetest.Stored(d, d.store(), 7, "web", 3)
	servetest.Save(d, d.store(), serve.State{Version: 7, Name: "web"}, 1)
	servetest.Stored(d, d.store(), 8, "web", 4)
}
