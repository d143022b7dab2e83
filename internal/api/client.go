// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Client is a [serve.Client] that talks to the handler of another process. Its
// methods may be called at the same time.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

var _ serve.Client = (*Client)(nil)

// Connect gives the client of the controller that a tells how to reach. It does
// not ask the controller anything yet. Access that makes no sense is
// [serve.ErrInvalid].
func Connect(a serve.Access) (*Client, error) {
	base, err := url.Parse(a.URL)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("connecting to controller %q: %w: that is not an https URL", a.URL, serve.ErrInvalid)
	}
	transport, err := newTransport(a.Certificate)
	if err != nil {
		return nil, fmt.Errorf("connecting to controller %q: %w", a.URL, err)
	}
	return &Client{base: base, token: a.Token, http: &http.Client{
		Transport: transport,
		// A controller never sends anyone elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of the connections that are kept for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Apply implements [serve.Client].
func (c *Client) Apply(ctx context.Context, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, error) {
	body, err := json.Marshal(applyRequest{Spec: spec, ApplyOptions: opt})
	if err != nil {
		return serve.Service{}, fmt.Errorf("writing the spec: %w", err)
	}
	var s serve.Service
	err = c.call(ctx, http.MethodPut, c.at(nil, "service"), bytes.NewReader(body), &s)
	return s, err
}

// Service implements [serve.Client].
func (c *Client) Service(ctx context.Context) (serve.Service, error) {
	var s serve.Service
	err := c.call(ctx, http.MethodGet, c.at(nil, "service"), nil, &s)
	return s, err
}

// Watch implements [serve.Client].
func (c *Client) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	return c.follow(ctx, c.at(nil, "service", "watch"), tellService(tell))
}

// Delete implements [serve.Client].
func (c *Client) Delete(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, c.at(nil, "service"), nil, nil)
}

// TerminateReplica implements [serve.Client].
func (c *Client) TerminateReplica(ctx context.Context, id int64, purge bool) error {
	query := url.Values{"purge": {strconv.FormatBool(purge)}}
	return c.call(ctx, http.MethodPost, c.at(query, "replicas", strconv.FormatInt(id, 10), "terminate"), nil, nil)
}

// HasBundle implements [serve.Client].
func (c *Client) HasBundle(ctx context.Context, digest string) (bool, error) {
	err := c.call(ctx, http.MethodGet, c.at(nil, "bundles", digest), nil, nil)
	if errors.Is(err, serve.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PutBundle implements [serve.Client].
func (c *Client) PutBundle(ctx context.Context, digest string, content io.Reader) error {
	return c.call(ctx, http.MethodPut, c.at(nil, "bundles", digest), content, nil)
}

// Events implements [serve.Client].
func (c *Client) Events(ctx context.Context, after int64, follow bool, tell func(serve.Event) bool) error {
	query := url.Values{"after": {strconv.FormatInt(after, 10)}, "follow": {strconv.FormatBool(follow)}}
	return c.follow(ctx, c.at(query, "events"), tellEvent(tell))
}

// Logs implements [serve.Client].
func (c *Client) Logs(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	query := url.Values{
		"replica": {strconv.FormatInt(replica, 10)},
		"follow":  {strconv.FormatBool(opt.Follow)},
		"tail":    {strconv.Itoa(opt.Tail)},
	}
	x, err := c.begin(ctx, http.MethodGet, c.at(query, "logs"), nil)
	if err != nil {
		return nil, err
	}
	return &logReader{receiver: newReceiver(x)}, nil
}

// at gives the address of a request.
func (c *Client) at(query url.Values, path ...string) *url.URL {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	at := c.base.JoinPath(append([]string{"v1"}, path...)...)
	at.RawQuery = query.Encode()
	return at
}

// call makes a request whose answer is one value; a nil answer is not looked at.
func (c *Client) call(ctx context.Context, method string, at *url.URL, body io.Reader, answer any) error {
	x, err := c.begin(ctx, method, at, body)
	if err != nil {
		return err
	}
	defer x.Close()
	// Read to its end, so that the connection can be used again, and looked at
	// only then, so that an answer that broke off is never taken for one.
	data, err := io.ReadAll(x)
	if err != nil {
		return err
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("reading the controller's answer: %w", err)
	}
	return nil
}

// follow makes a request whose answer is a stream.
func (c *Client) follow(ctx context.Context, at *url.URL, use func(frame) bool) error {
	x, err := c.begin(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	defer x.Close()
	return newReceiver(x).each(use)
}
