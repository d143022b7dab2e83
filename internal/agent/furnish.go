// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// How long to wait before a machine that does not answer is asked again: the first
// time, and at most. A refusal costs nothing, and a machine that comes up should
// not wait for us.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// Supplies are what a machine needs to carry out its order.
type Supplies struct {
	Order Order
	// Program is the agent's program, of the machine's platform.
	Program *Program
	// Bundle opens a bundle that the order names.
	Bundle func(digest string) (io.ReadCloser, error)
}

// Furnish brings the machine from whatever state it is in to running its order,
// and returns when setup has begun, or run if there is no setup. It waits for a
// machine that is not up yet for as long as ctx allows, and may be called again
// wherever it was broken off, and when all is done.
//
// serve.ErrInvalid means that the order can never be carried out,
// serve.ErrConflict that the machine has another one, serve.ErrUnauthorized that
// what answers is not the machine.
func (c *Client) Furnish(ctx context.Context, s Supplies) error {
	pause := firstPause
	for {
		done, err := c.step(ctx, s)
		switch {
		case done:
			return nil
		case err == nil:
			pause = firstPause
			continue
		case ctx.Err() != nil || !errors.Is(err, serve.ErrUnreachable):
			return err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-ctx.Done():
			return fmt.Errorf("waiting for the machine: %w: %w", err, context.Cause(ctx))
		}
	}
}

// step takes the machine one step further, and reports whether it was the last.
func (c *Client) step(ctx context.Context, s Supplies) (done bool, err error) {
	now, err := c.State(ctx)
	if err != nil {
		return false, err
	}
	if now.Phase == PhaseWaiting {
		return false, c.putProgram(ctx, s.Program)
	}
	missing, err := c.putOrder(ctx, s.Order)
	if err != nil {
		return false, err
	}
	for _, digest := range missing {
		if err := c.putBundle(ctx, digest, s.Bundle); err != nil {
			return false, err
		}
	}
	if len(missing) > 0 {
		return false, nil
	}
	// What was negotiated with the birth key is not to be used any more.
	c.http.CloseIdleConnections()
	err = c.awaitScripts(ctx)
	return err == nil, err
}

// awaitScripts waits until the scripts of the order are being run, or were.
func (c *Client) awaitScripts(ctx context.Context) error {
	var last State
	err := c.Watch(ctx, func(s State) bool {
		last = s
		return s.Phase == PhaseFurnishing || s.Phase == PhaseIdle
	})
	switch {
	case err != nil:
		return err
	case last.Phase != PhaseExited || last.Last != PhaseFurnishing:
		return nil
	case last.Invalid:
		return told{last.Detail, serve.ErrInvalid}
	default:
		return errors.New(last.Detail)
	}
}

func (c *Client) putProgram(ctx context.Context, p *Program) error {
	content, err := p.Compressed()
	if err != nil {
		return err
	}
	return c.put(ctx, pathProgram, io.NopCloser(content), func(r *http.Request) {
		r.ContentLength = content.Size()
		r.Header.Set("Content-Encoding", "gzip")
	})
}

// putOrder gives the machine its order, and gives the bundles that it lacks.
func (c *Client) putOrder(ctx context.Context, o Order) (missing []string, err error) {
	body, err := json.Marshal(sealedOrder{Order: o, Key: seedOf(c.keys.machine)})
	if err != nil {
		return nil, fmt.Errorf("encoding the order: %w", err)
	}
	res, err := c.do(ctx, http.MethodPut, pathOrder, bytes.NewReader(body), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFailedDependency {
		return nil, nil
	}
	var lacks missingBundles
	if err := json.NewDecoder(res.Body).Decode(&lacks); err != nil {
		return nil, c.explain(ctx, err)
	}
	return lacks.Missing, nil
}

func (c *Client) putBundle(ctx context.Context, digest string, open func(string) (io.ReadCloser, error)) error {
	content, err := open(digest)
	if err != nil {
		return fmt.Errorf("opening bundle %s: %w", digest, err)
	}
	return c.put(ctx, pathBundles+digest, upload{content}, nil)
}

// put sends what is read from content, which it closes.
func (c *Client) put(ctx context.Context, path string, content io.ReadCloser, prepare func(*http.Request)) error {
	res, err := c.do(ctx, http.MethodPut, path, content, prepare)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// upload is content that is sent. An error it has is not the machine's fault.
type upload struct{ io.ReadCloser }

func (u upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = contentError{err}
	}
	return n, err
}

// contentError is what went wrong while that was read which was to be sent.
type contentError struct{ error }

func (e contentError) Unwrap() error { return e.error }
