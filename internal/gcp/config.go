// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Config says how Google Cloud is reached, in the words of its own provider. What
// is left out is as that provider has it: the GOOGLE_* variables, application
// default credentials, and on a machine of Google Cloud its service account.
type Config struct {
	// Project is where everything is made; empty is that of the credentials.
	Project string `json:"project,omitempty"`
	// Region and Zone are where what is not of a place is made.
	Region string `json:"region,omitempty"`
	Zone   string `json:"zone,omitempty"`
	// Credentials are the key of a service account or the configuration of an
	// external account, as JSON or as the path of a file of it. They are kept nowhere.
	Credentials string `json:"-"`
	// Impersonate is a service account that is acted as.
	Impersonate string `json:"impersonate_service_account,omitempty"`
	// Regions are those machines may be in; none is every region that the project may
	// use.
	Regions []string `json:"regions,omitempty"`
	// DefaultLabels are put on everything that is made and can have any.
	DefaultLabels map[string]string `json:"default_labels,omitempty"`
	// Endpoints replaces those of some services: "cloudbilling",
	// "cloudresourcemanager", "compute", "iam", "iamcredentials", "storage". What is
	// left out is as GOOGLE_COMPUTE_CUSTOM_ENDPOINT and its like say.
	Endpoints map[string]string `json:"endpoints,omitempty"`
	// Network is the network that machines are in, or a subnetwork of one:
	// "projects/P/regions/R/subnetworks/S". Empty is the network called default.
	Network string `json:"network,omitempty"`
	// Private has machines reached at their private addresses.
	Private bool `json:"use_private_addresses,omitempty"`
}

// access is how a project is reached, once it is known as whom.
type access struct {
	conf    Config
	project string
	client  *http.Client
}

// load finds credentials and settings as Google's own programs do. Nothing of it goes
// on when it has returned.
func (c Config) load(ctx context.Context, transport http.RoundTripper) (*access, error) {
	c = c.located()
	if transport == nil {
		transport = http.DefaultTransport
	}
	patient := &retrying{base: transport}
	creds, err := c.find(patient)
	if err != nil {
		return nil, err
	}
	// That they are good for something shows here, to somebody who waits.
	first := hasty(ctx)
	bearer := &signed{base: patient, creds: creds}
	if c.Impersonate != "" {
		if bearer, err = c.impersonate(first, bearer); err != nil {
			return nil, err
		}
	}
	if _, err := bearer.token(first); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("asking Google for access: %w", meaning(err))
	}
	if c.Project == "" {
		if c.Project, err = creds.ProjectID(first); err != nil || c.Project == "" {
			return nil, errors.Join(fmt.Errorf("no Google Cloud project is configured (set GOOGLE_CLOUD_PROJECT, or gcp.project in the provider's configuration): %w", serve.ErrInvalid), err)
		}
	}
	return &access{conf: c, project: c.Project, client: &http.Client{Transport: bearer}}, nil
}

// located fills in from the environment where everything is, and as whom it is made.
func (c Config) located() Config {
	c.Project = cmp.Or(c.Project, environment("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"))
	c.Region = cmp.Or(c.Region, environment("GOOGLE_REGION", "GCLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"))
	c.Zone = cmp.Or(c.Zone, environment("GOOGLE_ZONE", "GCLOUD_ZONE", "CLOUDSDK_COMPUTE_ZONE"))
	c.Impersonate = cmp.Or(c.Impersonate, environment("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"))
	if zone := c.Zone; c.Region == "" && zone != "" {
		c.Region = regionOf(zone)
	}
	return c
}

// environment gives the first of some variables that is set.
func environment(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// regionOf gives the region that a zone is in: "us-east1" for "us-east1-b".
func regionOf(zone string) string {
	if cut := strings.LastIndexByte(zone, '-'); cut > 0 {
		return zone[:cut]
	}
	return zone
}

// endpoint gives where a service answers: where the configuration says, or the
// environment, as Google's own provider reads it, or at Google. What replaces Google's
// may have the path that this provider wants in it, or not.
func (c Config) endpoint(service, path string) string {
	base := cmp.Or(c.Endpoints[service], environment(endpointVariable(service)), "https://"+service+".googleapis.com")
	for _, known := range []string{"/", strings.TrimSuffix(path, "/"), "/v1"} {
		base = strings.TrimSuffix(base, known)
	}
	return base + path
}

// endpointVariable is the variable of a service's endpoint.
func endpointVariable(service string) string {
	name := map[string]string{
		"cloudbilling": "CLOUD_BILLING", "cloudresourcemanager": "RESOURCE_MANAGER", "iamcredentials": "IAM_CREDENTIALS",
	}[service]
	return "GOOGLE_" + cmp.Or(name, strings.ToUpper(service)) + "_CUSTOM_ENDPOINT"
}
