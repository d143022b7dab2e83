// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// access is how a cluster is reached by one key, which is a kubeconfig.
type access struct {
	config    Config
	namespace string
	settings  *rest.Config
	// server is where the API server is.
	server *url.URL
	way    http.RoundTripper
	// over ends when the key is not used any more, and with it what listens by it.
	over context.Context //nolint:containedctx // nobody calls by it
	end  context.CancelFunc
}

// access reads how the cluster is reached. Nothing is asked of the API server.
func (c Config) access() (*access, error) {
	// Held fast before anything else is read: kubectl's own may change any time.
	c.Context = c.CurrentContext()
	settings, namespace, err := c.rest()
	if err != nil {
		return nil, err
	}
	a := &access{config: c, namespace: namespace, settings: settings}
	if a.server, _, err = rest.DefaultServerUrlFor(settings); err == nil {
		a.way, err = rest.TransportFor(settings)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing to talk to the cluster: %w: %w", serve.ErrUnauthorized, err)
	}
	a.over, a.end = context.WithCancel(context.Background())
	return a, nil
}

// Close lets go of all that was connected to with the key, but for what is being
// answered.
func (a *access) Close() error {
	a.end()
	utilnet.CloseIdleConnectionsFor(a.way)
	return nil
}

// toward gives the URL of something by this key: from gives the API server that it is
// meant for now.
func (a *access) toward(to, from *url.URL) *url.URL {
	if *a.server == *from {
		return to
	}
	there := *to
	there.Scheme, there.Host, there.RawPath = a.server.Scheme, a.server.Host, ""
	there.Path = strings.TrimSuffix(a.server.Path, "/") + strings.TrimPrefix(to.Path, strings.TrimSuffix(from.Path, "/"))
	return &there
}

// current is the way to the cluster by what is used at the time.
type current struct {
	*keyring.Keyring[*access]
	// server is that of the first key, which all URLs are made for.
	server *url.URL
}

// settings are those of clients that go this way.
func (c current) settings() *rest.Config {
	first := c.Key().settings
	return &rest.Config{Host: c.server.String(), Transport: c, QPS: first.QPS, Burst: first.Burst, UserAgent: first.UserAgent}
}

// RoundTrip implements [http.RoundTripper]. A watch ends with its key, as if the API
// server had ended it, and whoever watches goes on with the next one.
func (c current) RoundTrip(req *http.Request) (*http.Response, error) {
	a := c.Key()
	there := req.WithContext(req.Context())
	there.URL = a.toward(req.URL, c.server)
	there.Host = there.URL.Host
	if req.URL.Query().Get("watch") == "" {
		return a.way.RoundTrip(there)
	}
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(a.over, cancel)
	resp, err := a.way.RoundTrip(there.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		if a.over.Err() != nil && req.Context().Err() == nil {
			return c.RoundTrip(req)
		}
		return nil, err
	}
	resp.Body = &watched{ReadCloser: resp.Body, over: a.over, done: func() { stop(); cancel() }}
	return resp, nil
}

// watched is the answer to a watch.
type watched struct {
	io.ReadCloser
	over context.Context //nolint:containedctx // nobody calls by it
	done func()
}

// Read reads until the watch ends, or its key.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && w.over.Err() != nil {
		err = io.EOF
	}
	return n, err
}

// Close ends the watch.
func (w *watched) Close() error {
	defer w.done()
	return w.ReadCloser.Close()
}
