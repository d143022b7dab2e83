// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/acme"
	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/bolt"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/page"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// firstPort is where endpoints are looked for, as SkyServe does; unlike there,
	// any number of services find one.
	firstPort = 30001
	// idleTimeout is how long a controller without a service stays: long enough to
	// be told of one, or to tell that the last one is gone.
	idleTimeout = 5 * time.Minute
)

// controller keeps one local service alive until it is killed or has had no
// service for a while.
func (p *Program) controller(ctx context.Context, args []string) (err error) {
	f := newFlags("controller")
	name := f.String("name", "", "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	home, err := homeOf(*f.home)
	if err != nil {
		return err
	}
	claim, err := local.ClaimController(ctx, home, *name)
	if err != nil {
		return err
	}
	defer claim.Release()
	own := claim.Log()
	defer own.Close()
	log := slog.New(slog.NewJSONHandler(own, nil))
	store, err := bolt.Open(filepath.Join(claim.Dir(), "state.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	bundles, err := bundle.OpenDir(filepath.Join(claim.Dir(), "bundles"))
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's own file: %w", err)
	}
	notes, err := claim.Notes()
	if err != nil {
		return err
	}
	credentials, err := claim.Credentials()
	if err != nil {
		return err
	}
	clouds := onThisMachine(home, &agent.Programs{Own: executable, Version: p.Version}, surroundings{
		Abroad: headquarters.Abroad{
			Notes: notes, Note: claim.Note, Shown: claim.CloudCredentials, Scope: func() (string, error) { return local.Identity(home) },
		},
		secret: func() ([]byte, error) { return []byte(credentials.Token), nil }, log: log,
	})
	endpoint, err := openEndpoint(ctx, claim)
	if err != nil {
		return err
	}
	defer endpoint.Close()
	endpoint.Certify = func(ctx context.Context, how serve.ACME) (*tls.Config, error) {
		return acme.New(ctx, acme.Options{ACME: how, Cache: acme.Dir(filepath.Join(claim.Dir(), "certificates")), Log: log}), nil
	}
	browsers, err := openPage(ctx, claim)
	if err != nil {
		return err
	}
	defer browsers.Close()
	c := controller.New(controller.Options{
		Service: *name, Store: store, Bundles: bundles, Traffic: controller.NewFront(endpoint, log), Log: log,
		Clouds:  clouds,
		Archive: controller.ArchiveDir(filepath.Join(claim.Dir(), "logs")),
		OwnLog:  claim.Logs,

		StatusPage: "http://" + browsers.Addr().String() + "/",
	})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer cancel()
		return c.Run(ctx)
	})
	group.Go(func() error {
		defer cancel()
		return serveAPI(ctx, c, "127.0.0.1:0", credentials, log, func(url string) error {
			return claim.Publish(url, endpoint.Addr(), browsers.Addr().String())
		})
	})
	group.Go(func() error {
		defer cancel()
		find := func(context.Context) (serve.Client, error) { return c, nil }
		return servePage(ctx, browsers, page.OnlyLoopback(p.statusPage(ctx, *name, find)))
	})
	group.Go(func() error {
		defer cancel()
		return claim.FollowCredentials(ctx, c.Renew)
	})
	group.Go(func() error {
		defer cancel()
		return untilIdle(ctx, c)
	})
	log.Info("the controller starts", "service", *name, "endpoint", endpoint.URL(), "version", p.Version)
	err = group.Wait()
	log.Info("the controller stops", "error", err)
	return err
}

// openEndpoint opens the address the endpoint had before, or the first port that
// is free and not another service's. An address that somebody else listens on
// meanwhile is an error: users were told it.
func openEndpoint(ctx context.Context, claim *local.Claim) (*controller.Endpoint, error) {
	before, err := claim.Published()
	if err == nil {
		return controller.Listen(ctx, before.Endpoint, "")
	}
	if !errors.Is(err, serve.ErrNotFound) {
		return nil, err
	}
	taken, err := claim.Taken()
	if err != nil {
		return nil, err
	}
	for port := firstPort; port < firstPort+1000; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if slices.Contains(taken, address) {
			continue
		}
		if endpoint, err := controller.Listen(ctx, address, ""); err == nil {
			return endpoint, nil
		}
	}
	return controller.Listen(ctx, "127.0.0.1:0", "")
}

// serveAPI answers the provider and the command line, and publishes where.
func serveAPI(ctx context.Context, c *controller.Controller, address string, credentials serve.Credentials, log *slog.Logger, publish func(url string) error) error {
	secure, err := api.ServerTLS(credentials)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("opening the controller's API: %w", err)
	}
	server := &http.Server{
		Handler:           api.NewHandler(c, credentials.Token, log),
		TLSConfig:         secure,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := publish("https://" + listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the controller's API: %w", err)
	}
	return nil
}

// untilIdle returns when the controller has had no service for a while.
func untilIdle(ctx context.Context, c serve.Client) error {
	for {
		err := c.Watch(ctx, func(serve.Service) bool { return true })
		if !errors.Is(err, serve.ErrNotFound) {
			return nil // the controller is stopping
		}
		timer := time.NewTimer(idleTimeout)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if _, err := c.Service(ctx); errors.Is(err, serve.ErrNotFound) {
			return nil
		}
	}
}

// localMachine is one replica's machine on the local cloud.
func (p *Program) localMachine(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("local-machine", flag.ContinueOnError)
	if err := set.Parse(args); err != nil || set.NArg() != 1 {
		return usageError{"it takes one directory"}
	}
	return local.RunMachine(ctx, set.Arg(0))
}
