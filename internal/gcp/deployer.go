// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
	"google.golang.org/api/storage/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// DeployerOptions says into which project a [Deployer] puts controllers, and what it
// works with.
type DeployerOptions struct {
	// Config is how the project is reached. Controllers are in its Region.
	Config Config
	headquarters.Means
	// Transport carries the calls; nil is the usual one.
	Transport http.RoundTripper
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Deployer runs controllers on Compute Engine: each on an instance of its own, which
// Compute Engine starts again when its host fails, with a reserved address that stays.
// What a controller remembers is in a bucket of its own.
type Deployer struct {
	*headquarters.Deployer
	o       DeployerOptions
	account *account
}

var (
	_ serve.Deployer    = (*Deployer)(nil)
	_ serve.NameChecker = (*Deployer)(nil)
	_ serve.Namespaced  = (*Deployer)(nil)
	_ serve.Scout       = (*Deployer)(nil)
)

// NewDeployer gives the deployer. It touches nothing.
func NewDeployer(o DeployerOptions) *Deployer {
	d := &Deployer{o: o}
	known := d.scouting()
	known.Note = func(string) error { return nil }
	d.account = newAccount(known)
	d.Deployer = headquarters.NewDeployer("Google Cloud", o.Means, func(ctx context.Context, service string) (headquarters.Estate, error) {
		return d.estate(ctx, service)
	})
	return d
}

// scouting says how the project is reached by somebody who has made nothing in it.
func (d *Deployer) scouting() CloudOptions {
	return CloudOptions{Known: fleet.Place[Config]{Config: d.o.Config}.String(), Shown: d.shown, Transport: d.o.Transport, Log: d.o.Log}
}

// shown gives the credentials that were configured, which are noted nowhere.
func (d *Deployer) shown(context.Context, string) (string, error) { return d.o.Config.Credentials, nil }

// Name is "gcp".
func (d *Deployer) Name() string { return cloudName }

// Clouds names those that controllers here have machines from.
func (d *Deployer) Clouds() []string { return d.o.Means.Clouds(cloudName) }

// Scout implements [serve.Scout].
func (d *Deployer) Scout(string) ([]serve.Cloud, error) {
	return append([]serve.Cloud{NewCloud(d.scouting())}, d.o.Scouts(cloudName)...), nil
}

// Namespace gives the region that controllers are in.
func (d *Deployer) Namespace() (string, error) {
	region := d.o.Config.located().Region
	if region == "" {
		return "", fmt.Errorf("finding out the region: %w", errNoRegion)
	}
	return region, nil
}

// errNoRegion is what somebody is told who wants a controller on Google Cloud and does
// not say where.
var errNoRegion = fmt.Errorf("no region of Google Cloud is configured (set GOOGLE_REGION, or gcp.region in the provider's configuration): %w", serve.ErrInvalid)

// estate is all there is of one controller in Google Cloud.
type estate struct {
	*site
	*Deployer
	service string
}

func (d *Deployer) estate(ctx context.Context, service string) (*estate, error) {
	if err := d.CheckName(service); err != nil {
		return nil, err
	}
	j, err := d.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	if j.conf.Region == "" {
		return nil, errNoRegion
	}
	s, err := d.account.In(ctx, j.conf.Region)
	if err != nil {
		return nil, err
	}
	if len(s.zones) == 0 {
		return nil, fmt.Errorf("the project %s has no region %q: %w", j.project, j.conf.Region, serve.ErrInvalid)
	}
	return &estate{site: s, Deployer: d, service: service}, nil
}

// labelController is on everything of a controller that can have any, but for its
// replicas.
const labelController = "serve-infra-controller"

func (e *estate) labels() map[string]string {
	labels := map[string]string{}
	for key, value := range e.conf.DefaultLabels {
		labels[labelled(key)] = labelled(value)
	}
	labels[labelController] = e.service
	return labels
}

// token is the same for the same project, region and service, and nobody else's.
func (e *estate) token() string { return fleet.Token(e.project, e.region, e.service) }

// name is what the bucket is called, and all else that is not the region's alone:
// buckets have their names for the whole world.
func (e *estate) name() string { return "serve-" + e.service + "-" + e.token()[:12] }

// account is the number of letters that the name of a service account has at most.
const accountLength = 30

// accountID is the name of the service account.
func (e *estate) accountID() string { return ("serve-" + e.token())[:accountLength] }

// accountEmail is its address.
func (e *estate) accountEmail() string {
	project, domain := e.project, ""
	if organisation, name, ok := strings.Cut(project, ":"); ok {
		project, domain = name, "."+organisation // of the oldest projects
	}
	return e.accountID() + "@" + project + domain + ".iam.gserviceaccount.com"
}

// serviceOf gives the service that a bucket is of, by its name.
func (e *estate) serviceOf(bucket string) (string, bool) {
	rest, ok := strings.CutPrefix(bucket, "serve-")
	if !ok || len(rest) < 14 {
		return "", false
	}
	other := estate{site: e.site, service: rest[:len(rest)-13]}
	return other.service, other.name() == bucket
}

// List implements [serve.Deployer].
func (d *Deployer) List(ctx context.Context) ([]string, error) {
	names, err := d.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func (d *Deployer) list(ctx context.Context) (map[string]bool, error) {
	e, err := d.estate(ctx, "any")
	if err != nil {
		return nil, err
	}
	names, err := e.others(ctx)
	if err != nil {
		return nil, err
	}
	err = e.services.storage.Buckets.List(e.project).Prefix("serve-").Pages(ctx, func(page *storage.Buckets) error {
		for _, b := range page.Items {
			if service, ok := e.serviceOf(b.Name); ok {
				names[service] = true
			}
		}
		return nil
	})
	return names, meaning(err)
}

// others gives the services that there is a controller's address of: of those whose
// bucket somebody has deleted as well.
func (e *estate) others(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	by := "labels." + labelController + ":*"
	all := e.within(ctx).addresses.List(ctx, &computepb.ListAddressesRequest{Project: e.project, Region: e.region, Filter: &by})
	for {
		a, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return names, nil
		}
		if err != nil {
			return nil, meaning(err)
		}
		names[a.GetLabels()[labelController]] = true
	}
}
