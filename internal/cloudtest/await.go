// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// Await looks until what runs on a machine has come so far, and gives what it saw last.
// A test that waits for too long fails, and shows the console.
func Await[T any](t testing.TB, what string, look func() T, is func(T) bool, console func() string) T {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		seen := look()
		if is(seen) {
			return seen
		}
		if time.Now().After(end) {
			t.Fatalf("%s never came: %+v\n%s", what, seen, console())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Ask asks over the network, with headers of which each is a name and then its value,
// and reads the answer to its end.
func Ask(t testing.TB, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(header); at += 2 {
		r.Header.Set(header[at], header[at+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res, Read(t, res)
}

// Read reads an answer to its end.
func Read(t testing.TB, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
