// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	compute "cloud.google.com/go/compute/apiv1"
	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"
)

// The paths that Google's own provider has at the end of some endpoints.
const (
	computePath = "/compute/v1/"
	storagePath = "/storage/v1/"
)

// services are the clients of a project. All of them go by the same way and with the
// same token.
type services struct {
	instances    *compute.InstancesClient
	types        *compute.MachineTypesClient
	accelerators *compute.AcceleratorTypesClient
	regions      *compute.RegionsClient
	projects     *compute.ProjectsClient
	firewalls    *compute.FirewallsClient
	images       *compute.ImagesClient
	addresses    *compute.AddressesClient
	subnetworks  *compute.SubnetworksClient
	networks     *compute.NetworksClient
	operations   operations

	billing   *cloudbilling.APIService
	resources *cloudresourcemanager.Service
	iam       *iam.Service
	storage   *storage.Service
}

// making makes clients until one cannot be made.
type making struct {
	ctx context.Context //nolint:containedctx // it is over when services returns
	err error
}

// made makes one client.
func made[C any](m *making, create func(context.Context, ...option.ClientOption) (C, error), options []option.ClientOption) C {
	c, err := create(m.ctx, options...)
	m.err = errors.Join(m.err, err)
	return c
}

// services gives the clients. It asks nobody for anything.
func (a *access) services(ctx context.Context) (*services, error) {
	at := func(service, path string) []option.ClientOption {
		return []option.ClientOption{option.WithHTTPClient(a.client), option.WithEndpoint(a.conf.endpoint(service, path))}
	}
	// The clients of Compute Engine add the path themselves.
	engine := []option.ClientOption{
		option.WithHTTPClient(a.client), option.WithEndpoint(strings.TrimSuffix(a.conf.endpoint("compute", computePath), computePath)),
	}
	m := &making{ctx: ctx}
	s := &services{
		instances:    made(m, compute.NewInstancesRESTClient, engine),
		types:        made(m, compute.NewMachineTypesRESTClient, engine),
		accelerators: made(m, compute.NewAcceleratorTypesRESTClient, engine),
		networks:     made(m, compute.NewNetworksRESTClient, engine),
		regions:      made(m, compute.NewRegionsRESTClient, engine),
		projects:     made(m, compute.NewProjectsRESTClient, engine),
		firewalls:    made(m, compute.NewFirewallsRESTClient, engine),
		images:       made(m, compute.NewImagesRESTClient, engine),
		addresses:    made(m, compute.NewAddressesRESTClient, engine),
		subnetworks:  made(m, compute.NewSubnetworksRESTClient, engine),
		billing:      made(m, cloudbilling.NewService, at("cloudbilling", "/")),
		resources:    made(m, cloudresourcemanager.NewService, at("cloudresourcemanager", "/")),
		iam:          made(m, iam.NewService, at("iam", "/")),
		storage:      made(m, storage.NewService, at("storage", storagePath)),
	}
	zone, region := made(m, compute.NewZoneOperationsRESTClient, engine), made(m, compute.NewRegionOperationsRESTClient, engine)
	global := made(m, compute.NewGlobalOperationsRESTClient, engine)
	if m.err != nil {
		return nil, fmt.Errorf("preparing to talk to Google Cloud: %w", m.err)
	}
	// They would try some calls again for ten minutes, which [retrying] has given up.
	s.instances.CallOptions = &compute.InstancesCallOptions{}
	s.types.CallOptions = &compute.MachineTypesCallOptions{}
	s.accelerators.CallOptions = &compute.AcceleratorTypesCallOptions{}
	s.networks.CallOptions = &compute.NetworksCallOptions{}
	s.regions.CallOptions = &compute.RegionsCallOptions{}
	s.projects.CallOptions = &compute.ProjectsCallOptions{}
	s.firewalls.CallOptions = &compute.FirewallsCallOptions{}
	s.images.CallOptions = &compute.ImagesCallOptions{}
	s.addresses.CallOptions = &compute.AddressesCallOptions{}
	s.subnetworks.CallOptions = &compute.SubnetworksCallOptions{}
	zone.CallOptions, region.CallOptions, global.CallOptions = &compute.ZoneOperationsCallOptions{}, &compute.RegionOperationsCallOptions{}, &compute.GlobalOperationsCallOptions{}
	s.operations = operations{project: a.project, zones: zone, regions: region, global: global}
	return s, nil
}

// bound is the way to Google for calls that are not to outlast a context.
type bound struct {
	ctx  context.Context //nolint:containedctx // it is over when the calls are
	base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b bound) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.base.RoundTrip(req.WithContext(b.ctx))
}

// by gives the same project by another way.
func (a *access) by(way http.RoundTripper) *access {
	other := *a
	other.client = &http.Client{Transport: way}
	return &other
}

// bound gives the same project for calls that end with ctx. The clients of Compute
// Engine ask for the pages of a list without the context that they were given, and
// nothing would stop them.
func (a *access) bound(ctx context.Context) *access {
	return a.by(bound{ctx, a.client.Transport})
}

// within gives clients for calls that end with ctx.
func (j *joined) within(ctx context.Context) *services {
	s, err := j.bound(ctx).services(ctx)
	if err != nil {
		return j.services // as these could be made the others can
	}
	return s
}
