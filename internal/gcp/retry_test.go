// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scripted answers calls one after the other, and records them.
type scripted struct {
	answers []any // a status, a status with a body, or an error; the last one for ever
	bodies  []string
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		text, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	n := min(len(s.bodies), len(s.answers)-1)
	s.bodies = append(s.bodies, body)
	resp := &http.Response{Request: req, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("fine"))}
	switch a := s.answers[n].(type) {
	case error:
		return nil, a
	case int:
		resp.StatusCode = a
	case string:
		var rest string
		if _, err := fmt.Sscanf(a, "%d", &resp.StatusCode); err != nil {
			return nil, err
		}
		_, rest, _ = strings.Cut(a, " ")
		if rest, ok := strings.CutPrefix(rest, "after "); ok {
			resp.Header.Set("Retry-After", rest)
		} else {
			resp.Body = io.NopCloser(strings.NewReader(rest))
		}
	}
	return resp, nil
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	for _, row := range []struct {
		name    string
		answers []any
		hasty   bool
		calls   int
		status  int // that is given in the end, 0 for an error
		least   time.Duration
		most    time.Duration
	}{
		{name: "what is answered is not", answers: []any{200}, calls: 1, status: 200},
		{name: "what is not there is not", answers: []any{404}, calls: 1, status: 404},
		{name: "what may not be is not", answers: []any{"403 " + reason("forbidden", "no")}, calls: 1, status: 403},
		{name: "a quota is not", answers: []any{"403 " + reason("quotaExceeded", "no")}, calls: 1, status: 403},
		{name: "what there is no machine for is not", answers: []any{"503 " + reason("ZONE_RESOURCE_POOL_EXHAUSTED", "none")}, calls: 1, status: 503},
		{name: "too many calls are, a moment later", answers: []any{"403 " + reason("rateLimitExceeded", "slow"), 200}, calls: 2, status: 200, least: 250 * time.Millisecond, most: time.Second},
		{name: "a server in trouble is, after longer and longer pauses", answers: []any{503, 502, 500, 200}, calls: 4, status: 200, least: 1750 * time.Millisecond, most: 4 * time.Second},
		{name: "a connection that broke off is", answers: []any{reset, 200}, calls: 2, status: 200, least: 250 * time.Millisecond, most: time.Second},
		{name: "whoever says when is believed", answers: []any{"429 after 7", 200}, calls: 2, status: 200, least: 7 * time.Second, most: 7 * time.Second},
		{name: "whoever says tomorrow is not", answers: []any{"429 after 86400", 200}, calls: 2, status: 200, least: 16 * time.Second, most: 16 * time.Second},
		{name: "what never works is given up", answers: []any{503}, calls: attempts, status: 503, least: 23 * time.Second, most: 48 * time.Second},
		{name: "what never arrives is given up", answers: []any{reset}, calls: attempts, least: 23 * time.Second, most: 48 * time.Second},
		{name: "the first call of all is given up early", answers: []any{reset}, hasty: true, calls: firstAttempts, least: 700 * time.Millisecond, most: 2 * time.Second},
		{name: "a name that nobody has is given up at once", answers: []any{&net.DNSError{Err: "no such host", IsNotFound: true}}, calls: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answers: row.answers}
				ctx := t.Context()
				if row.hasty {
					ctx = hasty(ctx)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://compute.googleapis.com/", strings.NewReader("please"))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := (&retrying{base: s}).RoundTrip(req)
				if took := time.Since(began); took < row.least || took > row.most {
					t.Errorf("it took %v, want %v to %v", took, row.least, row.most)
				}
				if len(s.bodies) != row.calls || strings.Join(s.bodies, "") != strings.Repeat("please", row.calls) {
					t.Errorf("the calls were %q, want %d", s.bodies, row.calls)
				}
				if row.status == 0 {
					if err == nil {
						t.Errorf("got %v, and no error", resp.Status)
					}
					return
				}
				if err != nil || resp.StatusCode != row.status {
					t.Fatalf("got %+v, %v; want %d", resp, err, row.status)
				}
				if text, err := io.ReadAll(resp.Body); err != nil || len(text) == 0 {
					t.Errorf("what was answered is gone: %q, %v", text, err)
				}
			})
		})
	}
}

func TestNobodyWaitsForAPauseWhoHasGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://compute.googleapis.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := (&retrying{base: &scripted{answers: []any{503}}}).RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}
