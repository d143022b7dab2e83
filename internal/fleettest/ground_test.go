// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// service is the one that there is a controller of.
const service = "web"

// host is a machine of a controller, by the books.
type host struct {
	id, ip  string
	running bool
}

// ground is a cloud that controllers are put into, whose machines are records: what a
// controller on one would do is done for it.
type ground struct {
	*testing.T
	// transport is the way there.
	transport http.RoundTripper
	// new gives a deployer that goes a way of its own.
	new func(way http.RoundTripper, m headquarters.Means) serve.Deployer
	// hosts are the machines of the controller.
	hosts func() []host
	// named is what the controller's bucket is called, if there is one, and open opens it.
	named func() string
	open  func(ctx context.Context, name string) (bucket.Bucket, error)
	// take has the controller's address lead to a machine.
	take func(ctx context.Context, to headquarters.Address, id string) error
	// launched has there be a machine of the service.
	launched func()
	left     func() []string
	// lag is how long a change stays unseen by those who describe things.
	lag func(time.Duration)

	mu sync.Mutex
	// runs has what the controller on each machine was told last, by ids.
	runs map[string]string
	// opened is the controller's bucket, once it is.
	opened bucket.Bucket
}

// boots has machines run their controllers until the test ends.
func (g *ground) boots() *ground {
	g.runs = map[string]string{}
	dir := g.TempDir()
	if err := jsonfile.Write(filepath.Join(dir, filepath.Base(bootstrap.HostFile)), bootstrap.Host{Service: service}); err != nil {
		g.Fatal(err)
	}
	ctx, stop := context.WithCancel(g.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for turns.Sleep(ctx, 5*time.Second) {
			for _, h := range g.hosts() {
				if h.running {
					_ = g.run(ctx, h.id, dir) // it is tried again
				}
			}
		}
	}()
	g.Cleanup(func() {
		stop()
		<-over
	})
	return g
}

// run is what a controller does that starts, or starts anew as it is told something else.
func (g *ground) run(ctx context.Context, id, dir string) error {
	b, err := g.bucket(ctx)
	if err != nil {
		return err
	}
	_, told, err := b.Get(ctx, "controller.json")
	if err != nil {
		return err
	}
	g.mu.Lock()
	known := g.runs[id]
	g.mu.Unlock()
	if known == told {
		return nil
	}
	h, err := headquarters.Open(ctx, dir, headquarters.HostOptions{
		Bucket:  func(context.Context, bootstrap.Host) (bucket.Bucket, error) { return b, nil },
		Machine: func(context.Context) (string, string, error) { return id, "", nil },
		Log:     slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = g.take(ctx, h.Address, id)
	}
	if err == nil {
		err = h.Started(ctx)
	}
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.runs[id] = told
	return nil
}

// bucket gives that of the controller; serve.ErrNotFound if there is none.
func (g *ground) bucket(ctx context.Context) (_ bucket.Bucket, err error) {
	name := g.named()
	if name == "" {
		return nil, serve.ErrNotFound
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened, err = g.open(ctx, name)
	}
	return g.opened, err
}

// answers reports whether a controller does at an address.
func (g *ground) answers(ip string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.hosts() {
		if h.running && h.ip == ip && g.runs[h.id] != "" {
			return true
		}
	}
	return false
}

// deployer gives that of somebody who knows of nothing.
func (g *ground) deployer(way http.RoundTripper) serve.Deployer {
	return g.new(way, headquarters.Means{
		Program:     fleettest.Program(g.T),
		Credentials: func() (serve.Credentials, error) { return serve.Credentials{Token: fleettest.Secret}, nil },
		Connect: func(a serve.Access) (serve.Client, error) {
			at, err := url.Parse(a.URL)
			if err != nil {
				return nil, err
			}
			return client{ground: g, ip: at.Hostname()}, nil
		},
	})
}

// client is one of the controller at an address.
type client struct {
	serve.Client
	ground *ground
	ip     string
}

func (c client) Service(context.Context) (serve.Service, error) {
	if !c.ground.answers(c.ip) {
		return serve.Service{}, fmt.Errorf("nobody answers at %s: %w", c.ip, serve.ErrUnreachable)
	}
	return serve.Service{}, serve.ErrNotFound
}

// launch has a machine of the service be there, as the controller has them.
func (g *ground) launch(w *fleettest.World) {
	g.Helper()
	cloud := w.New(fleet.Options{
		Known: w.Brief, Note: func(string) error { return nil }, Scope: headquarters.Scope(w.Infra[strings.Index(w.Infra, "/")+1:]),
		Secret:  func() ([]byte, error) { return []byte(fleettest.Secret), nil },
		Program: fleettest.Program(g.T), Transport: w.Transport, Connect: w.Stations.Connect,
	})
	if _, err := cloud.Launch(g.Context(), fleettest.Request(fleettest.Cheapest(g.T, cloud, serve.Spot), "server")); err != nil {
		g.Fatal(err)
	}
}
