// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// answerPatience is how long a controller that should be there may take to answer.
const answerPatience = 10 * time.Second

// DeployerOptions says where a [Deployer] lives and what it works with.
type DeployerOptions struct {
	// Root is the home directory; it is made when it is needed.
	Root string
	// Executable is the path of the program that controllers are run by, as
	// "Executable controller --home ROOT --name SERVICE".
	Executable string
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
	// Credentials makes new credentials for a controller and its clients.
	Credentials func() (serve.Credentials, error)
	// Connect gives a client for a controller. It need not reach it yet.
	Connect func(serve.Access) (serve.Client, error)
	// Clouds gives those a controller with such notes and credentials has machines
	// from, and so those Destroy sweeps; nil means the local one alone. See
	// [Claim.Note].
	Clouds func(notes map[string]string, shown serve.CredentialsOf) []serve.Cloud
	// Scouts gives the same for whoever only asks them, with nothing made for that;
	// nil gives those of Clouds.
	Scouts func(notes map[string]string, shown serve.CredentialsOf) []serve.Cloud
	// Shown is what the caller shows clouds; controllers do the same where nothing was
	// given for a service.
	Shown serve.CloudCredentials
	// Brief gives what a controller is to know of other clouds before it starts, by
	// their names, in place of what is noted; nil changes nothing.
	Brief func(notes map[string]string) (map[string]string, error)
}

// Deployer runs controllers as processes of this machine that outlive the one
// that started them.
type Deployer struct {
	o        DeployerOptions
	services turns.Turns[string]
	children children
}

var _ serve.Deployer = (*Deployer)(nil)

// NewDeployer gives the deployer at o.Root. It touches nothing.
func NewDeployer(o DeployerOptions) *Deployer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clouds == nil {
		own := []serve.Cloud{NewCloud(CloudOptions{Root: o.Root, Executable: o.Executable, Log: o.Log})}
		o.Clouds = func(map[string]string, serve.CredentialsOf) []serve.Cloud { return own }
	}
	return &Deployer{o: o}
}

// Name is "local".
func (d *Deployer) Name() string { return cloudName }

// Clouds names the clouds a controller can have machines from.
func (d *Deployer) Clouds() []string {
	clouds := d.o.Clouds(nil, nil)
	names := make([]string, len(clouds))
	for i, c := range clouds {
		names[i] = c.Name()
	}
	return names
}

// Find gives a client for the controller if it runs and answers.
func (d *Deployer) Find(ctx context.Context, service string) (serve.Client, error) {
	client, err := d.find(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("finding the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) find(ctx context.Context, service string) (serve.Client, error) {
	if err := checkName(service); err != nil {
		return nil, err
	}
	h, err := openHome(d.o.Root)
	if err != nil {
		return nil, err
	}
	if !exists(h.controller(service)) {
		// Something of it may be left all the same. To call it gone then would be
		// to leave that running for ever.
		names, err := names(h)
		if err != nil {
			return nil, err
		}
		if names[service] {
			return nil, fmt.Errorf("its directory was deleted, but some of its processes are there: %w", serve.ErrUnreachable)
		}
		return nil, serve.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	p, held, err := holder(ctx, h, service)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
	if !held {
		return nil, fmt.Errorf("it is not running: %w", serve.ErrUnreachable)
	}
	return d.connect(ctx, h, service, p)
}

// connect gives a client for the controller that runs as p, if it answers.
func (d *Deployer) connect(ctx context.Context, h home, service string, p process) (serve.Client, error) {
	dir := h.controller(service)
	public, err := readPublication(dir)
	if err != nil {
		return nil, fmt.Errorf("it has not published an address: %w: %w", serve.ErrUnreachable, err)
	}
	if public.Process != p {
		return nil, fmt.Errorf("it has not published an address yet: %w", serve.ErrUnreachable)
	}
	var cred serve.Credentials
	if err := jsonfile.Read(filepath.Join(dir, credentialsFile), &cred); err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
	client, err := d.o.Connect(serve.Access{URL: public.URL, Token: cred.Token, Certificate: cred.Certificate})
	if err != nil {
		return nil, err
	}
	_, err = client.Service(ctx)
	switch {
	case err == nil, errors.Is(err, serve.ErrNotFound):
		return client, nil
	case errors.Is(err, serve.ErrUnauthorized), errors.Is(err, serve.ErrUnreachable):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
}

// List names the services that have a controller here, or something left of one.
func (d *Deployer) List(ctx context.Context) ([]string, error) {
	h, err := openHome(d.o.Root)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	names, err := names(h)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	return slices.Sorted(maps.Keys(names)), ctx.Err()
}

// names collects the names of services from everything that has one.
func names(h home) (map[string]bool, error) {
	names := make(map[string]bool)
	entries, err := os.ReadDir(h.controllers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names[e.Name()] = true
		}
	}
	records, err := h.records()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		names[r.instance.Ref.Service] = true
	}
	left, err := members(h)
	if err != nil {
		return nil, err
	}
	for _, m := range left {
		if m.controller != "" {
			names[m.controller] = true
		} else {
			names[m.ref.Service] = true
		}
	}
	return names, nil
}
