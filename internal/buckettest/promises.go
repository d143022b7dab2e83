// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package buckettest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// TestBucket checks what every bucket promises. Each call of open gives one that is
// empty.
func TestBucket(t *testing.T, open func(t *testing.T) bucket.Bucket) {
	for name, test := range map[string]func(*testing.T, bucket.Bucket){
		"an object is what was written last":               written,
		"an object is written on a condition only":         conditional,
		"of many who write at once one does":               raced,
		"what is not there is told from what is":           missing,
		"the keys of a prefix are listed to their end":     listed,
		"a file is written as it is, and read as it comes": streamed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, b bucket.Bucket, key, body string, c bucket.Condition) (tag string) {
	t.Helper()
	tag, err := b.Put(t.Context(), key, []byte(body), c)
	if err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
	return tag
}

func written(t *testing.T, b bucket.Bucket) {
	var tags []string
	for _, body := range []string{"one", "two", "", "one"} {
		tag := put(t, b, "a/state.json", body, bucket.Condition{})
		got, now, err := b.Get(t.Context(), "a/state.json")
		if err != nil || string(got) != body || now != tag {
			t.Errorf("Get = %q with tag %q, %v; want %q with %q", got, now, err, body, tag)
		}
		tags = append(tags, tag)
	}
	if slices.Contains(tags, "") || tags[0] == tags[1] || tags[1] == tags[2] {
		t.Errorf("the tags of different objects are %q", tags)
	}
}

func conditional(t *testing.T, b bucket.Bucket) {
	refused := func(c bucket.Condition, what string) {
		t.Helper()
		if _, err := b.Put(t.Context(), "one", []byte("wrong"), c); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}
	first := put(t, b, "one", "hello", bucket.Condition{Absent: true})
	refused(bucket.Condition{Absent: true}, "there is one")
	second := put(t, b, "one", "goodbye", bucket.Condition{Still: first})
	refused(bucket.Condition{Still: first}, "it is another one by now")
	if got, tag, err := b.Get(t.Context(), "one"); err != nil || string(got) != "goodbye" || tag != second {
		t.Errorf("left is %q with tag %q, %v", got, tag, err)
	}
	if err := b.Remove(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "one", nil, bucket.Condition{Still: second}); !errors.Is(err, serve.ErrConflict) && !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("there is none any more: %v, want ErrConflict or ErrNotFound", err)
	}
	put(t, b, "one", "anew", bucket.Condition{Absent: true})
}

func raced(t *testing.T, b bucket.Bucket) {
	tag := put(t, b, "one", "first", bucket.Condition{})
	var writing sync.WaitGroup
	won := make(chan string, 10)
	for i := range cap(won) {
		writing.Go(func() {
			body := fmt.Sprint("by ", i)
			_, err := b.Put(t.Context(), "one", []byte(body), bucket.Condition{Still: tag})
			switch {
			case err == nil:
				won <- body
			case !errors.Is(err, serve.ErrConflict):
				t.Error(err)
			}
		})
	}
	writing.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d have written", len(won))
	}
	body := <-won
	if got, _, err := b.Get(t.Context(), "one"); err != nil || string(got) != body {
		t.Errorf("written is %q, want %q: %v", got, body, err)
	}
}

func missing(t *testing.T, b bucket.Bucket) {
	_, _, getErr := b.Get(t.Context(), "nothing")
	_, openErr := b.Open(t.Context(), "nothing")
	for _, err := range []error{getErr, openErr} {
		if !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("reading nothing: %v, want ErrNotFound", err)
		}
	}
	if there, err := b.Has(t.Context(), "nothing"); there || err != nil {
		t.Errorf("Has = %v, %v of nothing", there, err)
	}
	put(t, b, "something", "", bucket.Condition{})
	if there, err := b.Has(t.Context(), "something"); !there || err != nil {
		t.Errorf("Has = %v, %v of something", there, err)
	}
	for range 2 { // twice is once
		if err := b.Remove(t.Context(), "something"); err != nil {
			t.Error(err)
		}
	}
	if there, err := b.Has(t.Context(), "something"); there || err != nil {
		t.Errorf("Has = %v, %v of what was removed", there, err)
	}
}

func listed(t *testing.T, b bucket.Bucket) {
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("logs/replica %d/über+1&%%.log", i))
		put(t, b, want[i], "hello", bucket.Condition{})
	}
	put(t, b, "log", "hello", bucket.Condition{})
	put(t, b, "mail", "hello", bucket.Condition{})
	slices.Sort(want)
	if got, err := b.List(t.Context(), "logs/"); err != nil || !slices.Equal(got, want) {
		t.Errorf("List = %q, %v, want %q", got, err, want)
	}
	if got, err := b.List(t.Context(), "nothing/"); err != nil || len(got) > 0 {
		t.Errorf("List of nothing = %q, %v", got, err)
	}
	for _, key := range want {
		if err := b.Remove(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if got, err := b.List(t.Context(), ""); err != nil || !slices.Equal(got, []string{"log", "mail"}) {
		t.Errorf("left is %q, %v", got, err)
	}
}

func streamed(t *testing.T, b bucket.Bucket) {
	content := strings.Repeat("0123456789abcdef", 1<<16)
	sum := sha256.Sum256([]byte(content))
	if err := b.PutFile(t.Context(), "bundles/one", strings.NewReader(content), sum[:]); err != nil {
		t.Fatal(err)
	}
	r, err := b.Open(t.Context(), "bundles/one")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != content {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(content), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
