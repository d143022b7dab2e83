// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/acme"
	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ownMeans gives what controllers on machines of a cloud are deployed with by this
// program, and what they are to know of the other clouds.
func ownMeans(version, own string, others briefs) (headquarters.Means, error) {
	executable, err := os.Executable()
	if err != nil {
		return headquarters.Means{}, fmt.Errorf("finding this program's own file: %w", err)
	}
	m := meansOf(&agent.Programs{Own: executable, Version: version})
	if others != nil {
		m.Briefs, err = others(nil)
		delete(m.Briefs, own)
	}
	return m, err
}

// meansOf gives what controllers run by other programs are deployed with.
func meansOf(programs *agent.Programs) headquarters.Means {
	return headquarters.Means{
		Program:     programs.Open,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Connect:     func(a serve.Access) (serve.Client, error) { return api.Connect(a) },
		Abroad: func(a headquarters.Abroad) []serve.Cloud {
			return surroundings{Abroad: a, log: slog.New(slog.DiscardHandler)}.clouds()
		},
	}
}

// others gives the clouds that a controller on a machine has besides its own.
func others(ctx context.Context, host *headquarters.Host, own string, log *slog.Logger) ([]serve.Cloud, error) {
	a, err := host.Abroad(ctx)
	if err != nil {
		return nil, err
	}
	all := surroundings{Abroad: a, program: host.Program(ctx), secret: host.Secret, log: log}.clouds()
	return slices.DeleteFunc(all, func(c serve.Cloud) bool { return c.Name() == own }), nil
}

// post is the machine of a cloud that a controller is on.
type post struct {
	*headquarters.Host
	// clouds are those that the controller has machines from.
	clouds []serve.Cloud
	// take has clients find the controller here from now on.
	take func(context.Context) error
}

// controllerOn keeps one service alive from a machine of a cloud, until it is to make
// room for another program.
func (p *Program) controllerOn(ctx context.Context, command string, args []string, open func(ctx context.Context, dir string, log *slog.Logger) (post, error)) error {
	f := newFlags(command)
	dir := f.String("dir", "", "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"--dir is missing"}
	}
	own, err := headquarters.Log(*dir)
	if err != nil {
		return err
	}
	defer own.Close()
	log := slog.New(slog.NewJSONHandler(io.MultiWriter(own, p.Stderr), nil))
	host, err := open(ctx, *dir, log)
	if err != nil {
		return err
	}
	endpoint, err := controller.ListenAll(ctx, host.Address.IP, host.At(portHTTP), host.At(portHTTPS))
	if err != nil {
		return err
	}
	defer endpoint.Close()
	endpoint.Certify = func(ctx context.Context, how serve.ACME) (*tls.Config, error) {
		return acme.New(ctx, acme.Options{ACME: how, Cache: bucket.NewCertificates(host.Bucket), Log: log}), nil
	}
	c := controller.New(controller.Options{
		Service: host.Told.Service, Store: bucket.NewStore(host.Bucket), Bundles: bucket.NewBundles(host.Bucket, *dir), Archive: bucket.NewArchive(host.Bucket),
		Traffic: controller.NewFront(endpoint, log), Log: log, Clouds: host.clouds,
		OwnLog: host.Logs,
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
		return serveAPI(ctx, c, host.API(), host.Credentials, log, func(string) error { return host.take(ctx) })
	})
	group.Go(func() error {
		defer cancel()
		return host.Superseded(ctx, c.Renew)
	})
	log.Info("the controller starts", "service", host.Told.Service, "endpoint", endpoint.URL(), "version", p.Version)
	err = group.Wait()
	log.Info("the controller stops", "error", err)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// The ports of the endpoint.
const (
	portHTTP  = 80
	portHTTPS = 443
)
