// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/acme"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// awsController keeps one service alive from a machine of AWS, until it is to make
// room for another program.
func (p *Program) awsController(ctx context.Context, args []string) error {
	f := newFlags("aws-controller")
	dir := f.String("dir", "", "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"--dir is missing"}
	}
	own, err := aws.Log(*dir)
	if err != nil {
		return err
	}
	defer own.Close()
	log := slog.New(slog.NewJSONHandler(io.MultiWriter(own, p.Stderr), nil))
	host, err := aws.OpenHost(ctx, *dir, log)
	if err != nil {
		return err
	}
	cloud, err := host.Cloud(ctx, aws.CloudOptions{Log: log})
	if err != nil {
		return err
	}
	endpoint, err := controller.ListenAll(ctx, host.IP, host.At(portHTTP), host.At(portHTTPS))
	if err != nil {
		return err
	}
	defer endpoint.Close()
	endpoint.Certify = func(ctx context.Context, how serve.ACME) (*tls.Config, error) {
		return acme.New(ctx, acme.Options{ACME: how, Cache: bucket.NewCertificates(host.Bucket), Log: log}), nil
	}
	c := controller.New(controller.Options{
		Service: host.Service, Store: bucket.NewStore(host.Bucket), Bundles: bucket.NewBundles(host.Bucket, *dir), Archive: bucket.NewArchive(host.Bucket),
		Traffic: controller.NewFront(endpoint, log), Log: log, Clouds: []serve.Cloud{cloud},
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
		return serveAPI(ctx, c, host.API(), host.Credentials, log, func(string) error { return host.Take(ctx) })
	})
	group.Go(func() error {
		defer cancel()
		return host.Superseded(ctx)
	})
	log.Info("the controller starts", "service", host.Service, "endpoint", endpoint.URL(), "version", p.Version)
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
