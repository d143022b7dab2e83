// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package buckettest

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Save saves a state with so many events, and expects it to succeed.
func Save(t testing.TB, s serve.Store, state serve.State, events int) serve.State {
	t.Helper()
	version, _, err := s.Save(t.Context(), state, make([]serve.Event, events))
	if err != nil {
		t.Fatalf("Save of version %d: %v", state.Version, err)
	}
	state.Version = version
	return state
}

// Stored expects a version of a name to be stored in a bucket, and so many events.
func Stored(t testing.TB, b bucket.Bucket, version uint64, name string, events int) {
	t.Helper()
	s := bucket.NewStore(b)
	there, err := s.Load(t.Context())
	if err != nil || there.Version != version || there.Name != name {
		t.Errorf("version %d of %q is stored, and not %d of %q: %v", there.Version, there.Name, version, name, err)
	}
	if got, err := s.Events(t.Context(), 0, 10_000); len(got) != events {
		t.Errorf("there are %d events, want %d: %v", len(got), events, err)
	}
}

// Cut is a way to a vendor that can be cut off in one direction: what is asked is done,
// and its answer lost.
type Cut struct {
	http.RoundTripper
	Off bool
}

// RoundTrip implements [http.RoundTripper].
func (c *Cut) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if c.Off && err == nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, answer.Body.Close())
	}
	return answer, err
}
