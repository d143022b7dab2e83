// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// patience is for how long a connection may take to come about.
const patience = 10 * time.Second

// newTransport gives a transport that reaches the holder of one certificate.
// Over HTTP/1.1 it repeats a GET by itself when the connection it had kept
// turns out to be closed.
func newTransport(certificate string) (*http.Transport, error) {
	secure, err := ClientTLS(certificate)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: patience}).DialContext,
		TLSClientConfig:       secure,
		TLSHandshakeTimeout:   patience,
		ExpectContinueTimeout: patience,
		IdleConnTimeout:       silence,
	}, nil
}

// exchange is one request and its answer. It ends with [serve.ErrUnreachable]
// when the other end is silent for too long.
type exchange struct {
	what string
	// caller is the caller's context, within the one of this exchange, which
	// cancel ends with the reason.
	caller, within context.Context
	cancel         context.CancelCauseFunc
	// patient runs while the other end is waited for.
	patient *time.Timer
	body    io.ReadCloser
}

// begin sends a request and gives the exchange when the answer is a good one.
// The body of the answer is read from the exchange.
func (c *Client) begin(ctx context.Context, method string, at *url.URL, body io.Reader) (*exchange, error) {
	x := &exchange{what: method + " " + at.String(), caller: ctx}
	x.within, x.cancel = context.WithCancelCause(ctx)
	x.patient = time.AfterFunc(silence, func() {
		x.cancel(fmt.Errorf("%w: it was silent for %v", serve.ErrUnreachable, silence))
	})
	if body != nil {
		body = &upload{content: body, x: x}
	}
	req, err := http.NewRequestWithContext(x.within, method, at.String(), body)
	if err != nil {
		x.Close()
		return nil, fmt.Errorf("asking the controller: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		// So that a bundle is not sent to a controller that will not have it.
		req.Header.Set("Expect", "100-continue")
	}
	res, err := c.http.Do(req)
	x.patient.Stop()
	if err != nil {
		defer x.Close()
		return nil, x.explain(err)
	}
	x.body, res.Body = res.Body, x
	if res.StatusCode/100 != 2 {
		defer x.Close()
		return nil, readFailure(res)
	}
	return x, nil
}

// Read reads the answer. The wait for the other end is all that its patience
// is for: however long the caller takes between two reads does not count.
func (x *exchange) Read(p []byte) (int, error) {
	x.patient.Reset(silence)
	n, err := x.body.Read(p)
	x.patient.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = x.explain(err)
	}
	return n, err
}

// Close ends the exchange, whether or not all was read.
func (x *exchange) Close() error {
	x.patient.Stop()
	x.cancel(os.ErrClosed)
	if x.body == nil {
		return nil
	}
	return x.body.Close()
}

// explain says what a failed exchange means. Where this side has ended it, it
// means why that was, be it the caller, the caller's content or the silence.
// Otherwise nothing is known about the other end.
func (x *exchange) explain(err error) error {
	if ended := x.caller.Err(); ended != nil {
		return fmt.Errorf("asking the controller: %w", ended)
	}
	if why := context.Cause(x.within); why != nil {
		return fmt.Errorf("asking the controller (%s): %w", x.what, why)
	}
	if tried, ok := errors.AsType[*url.Error](err); ok {
		err = tried.Err // it says again what was asked
	}
	return fmt.Errorf("asking the controller (%s): %w: %w", x.what, serve.ErrUnreachable, err)
}

// upload is the body of a request. Neither the time its content takes nor an
// error it has is the other end's fault.
type upload struct {
	content io.Reader
	x       *exchange
}

func (u *upload) Read(p []byte) (int, error) {
	u.x.patient.Stop()
	defer u.x.patient.Reset(silence)
	n, err := u.content.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.x.cancel(fmt.Errorf("reading what to send: %w", err))
	}
	return n, err
}
