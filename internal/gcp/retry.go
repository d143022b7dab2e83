// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

const (
	// attempts is how often a call is tried before it has failed, with longer and
	// longer pauses: together up to 48 seconds, in which what a project may ask in a
	// minute has mostly come back.
	attempts   = 8
	firstPause = 500 * time.Millisecond
	lastPause  = 16 * time.Second
	// firstAttempts is how often who asks is asked. Where there is no way to Google it
	// shows there, to somebody who waits.
	firstAttempts = 3
	// wordsMost is how much of a refusal is read to see what it means.
	wordsMost = 64 << 10
)

// hastyKey marks a context in which calls are given up early.
type hastyKey struct{}

// hasty gives a context in which calls are given up early.
func hasty(ctx context.Context) context.Context { return context.WithValue(ctx, hastyKey{}, true) }

// retrying tries calls again that Google was too busy for, or that were lost on the
// way. It is the only one who does: Google's clients are told not to, as each has a
// notion of its own. Every call of this package may be made twice: what it makes has
// a name, or the call an id.
type retrying struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (r *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, most := req.Context(), attempts
	if ctx.Value(hastyKey{}) != nil {
		most = firstAttempts
	}
	for n := 1; ; n++ {
		resp, err := r.base.RoundTrip(req)
		if n == most || req.Body != nil && req.GetBody == nil || ctx.Err() != nil {
			return resp, err
		}
		wait, err := again(resp, err, pause(n))
		if err != nil {
			return nil, err
		}
		if wait == 0 {
			return resp, nil
		}
		if !turns.Sleep(ctx, wait) {
			return nil, ctx.Err()
		}
		req = req.Clone(ctx)
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// again says after how long it is worth to make a call again, which is the pause unless
// Google says something else; 0 for never.
func again(resp *http.Response, failed error, pause time.Duration) (time.Duration, error) {
	if failed != nil {
		if final(failed) {
			return 0, failed
		}
		return pause, nil
	}
	if busy, err := busy(resp); err != nil || !busy {
		return 0, err
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, lastPause), nil
	}
	return pause, nil
}

// pause gives how long to wait after the nth attempt, somewhat at random: others
// were refused at the same moment.
func pause(n int) time.Duration {
	most := min(firstPause<<(n-1), lastPause)
	return most/2 + rand.N(most/2) //nolint:gosec // nobody gains from knowing it
}

// final says that a call which did not arrive never will.
func final(err error) bool {
	var forged *tls.CertificateVerificationError
	var name *net.DNSError
	return errors.As(err, &forged) || errors.As(err, &name) && name.IsNotFound
}

// busy says that Google has no time for a call now. What it answered can be read
// again when it returns.
func busy(resp *http.Response) (bool, error) {
	if resp.StatusCode < http.StatusBadRequest {
		return false, nil
	}
	words, err := io.ReadAll(io.LimitReader(resp.Body, wordsMost))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return false, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(words))
	// What it has no machine for, or the project no quota, it has not in a moment
	// either: there are other offers to be tried.
	return errors.Is(meaningOf(googleapi.CheckResponseWithBody(resp, words)), serve.ErrUnreachable), nil
}
