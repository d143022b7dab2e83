// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"cloud.google.com/go/compute/metadata"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Host is the instance that a controller runs on, seen from the controller.
type Host struct {
	*headquarters.Host
	conf Config
}

// OpenHost finds out what is to be done on this machine, by the directory that its
// startup script has filled.
func OpenHost(ctx context.Context, dir string, log *slog.Logger) (*Host, error) {
	h := &Host{}
	var err error
	h.Host, err = headquarters.Open(ctx, dir, headquarters.HostOptions{Log: log, Machine: machine, Bucket: func(ctx context.Context, told bootstrap.Host) (bucket.Bucket, error) {
		return OpenBucket(ctx, BucketOptions{Config: Config{Region: told.Region, Endpoints: told.Endpoints}, Name: told.Bucket})
	}})
	if err != nil {
		return nil, err
	}
	return h, h.Config(&h.conf)
}

// machine gives the name of this instance, and its address in the network.
func machine(ctx context.Context) (id, address string, err error) {
	m := metadata.NewClient(nil)
	for path, into := range map[string]*string{"instance/name": &id, "instance/network-interfaces/0/ip": &address} {
		text, err := m.GetWithContext(ctx, path)
		if err != nil {
			return "", "", fmt.Errorf("asking for %s of this machine: %w", path, err)
		}
		*into = strings.TrimSpace(text)
	}
	return id, address, nil
}

// Cloud gives the cloud that the controller has machines from.
func (h *Host) Cloud(ctx context.Context, o CloudOptions) (serve.Cloud, error) {
	o, err := headquarters.Own(ctx, h.Host, h.conf, o)
	if err != nil {
		return nil, err
	}
	return NewCloud(o), nil
}

// Take says in the bucket that the controller runs here. Its address leads to this
// machine from the first.
func (h *Host) Take(ctx context.Context) error { return h.Started(ctx) }
