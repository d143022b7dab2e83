// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Settings is what the provider was configured with.
type Settings struct {
	// Home is the directory in which local controllers live.
	Home string
	// Kubernetes says how a cluster is reached.
	Kubernetes Kubernetes
	// AWS and GCP say how these are reached; nil while that is not known.
	AWS *AWS
	GCP *GCP
	// Namespace is where in the cluster, or in which region, a controller is; empty
	// is that of Kubernetes, AWS or GCP.
	Namespace string
}

// deployers opens the deployers when the first of them is asked for, once for
// all resources of one namespace.
type deployers struct {
	options Options
	home    types.String
	// reached says how each cloud is reached that the provider can be told of.
	reached map[string]types.Object

	mu sync.Mutex
	// opened are the deployers by their names, for each namespace.
	opened map[string]map[string]serve.Deployer
}

// known reports whether the deployer for an infra can be had: not while what of the
// provider's own configuration is for it depends on something that is yet to be made.
func (d *deployers) known(infra string) bool {
	if d == nil || infra == localInfra && d.home.IsUnknown() {
		return false
	}
	return d.knownCloud(infra)
}

// knownCloud reports whether it is known how a cloud is reached.
func (d *deployers) knownCloud(cloud string) bool { return fullyKnown(d.reached[cloud]) }

// open gives every deployer by its name. A failure is not remembered: what it was
// for may be mended. Without a home there is no deployer that needs one, and noHome
// says why.
func (d *deployers) open(namespace string) (found map[string]serve.Deployer, noHome, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, ok := d.opened[namespace]; ok {
		return found, nil, nil
	}
	s := Settings{Home: d.home.ValueString(), Namespace: namespace}
	if d.knownCloud(kubernetesInfra) {
		s.Kubernetes = kubernetesOf(d.reached[kubernetesInfra])
	}
	if d.knownCloud(awsInfra) {
		s.AWS = awsOf(d.reached[awsInfra])
	}
	if d.knownCloud(gcpInfra) {
		s.GCP = gcpOf(d.reached[gcpInfra])
	}
	if d.options.Home != nil {
		s.Home, noHome = d.options.Home(s.Home)
	}
	if found, err = d.options.Deployers(s); err != nil {
		return nil, noHome, err
	}
	if noHome != nil {
		delete(found, localInfra)
		return found, noHome, nil
	}
	if d.opened == nil {
		d.opened = map[string]map[string]serve.Deployer{}
	}
	d.opened[namespace] = found
	return found, nil, nil
}

// get gives the deployer for an infra, and a namespace where the infra has such.
// ErrNotFound, with a text that lists those there are, means that there is none of
// that name.
func (d *deployers) get(infra, namespace string) (serve.Deployer, error) {
	if !d.known(infra) {
		return nil, errors.New("the provider's configuration is not known yet")
	}
	all, noHome, err := d.open(namespace)
	if err != nil {
		return nil, err
	}
	if found, ok := all[infra]; ok {
		return found, nil
	}
	if infra == localInfra && noHome != nil {
		return nil, noHome
	}
	return nil, fmt.Errorf("putting a controller on %q: %w: there is only %s", infra, serve.ErrNotFound, words(slices.Sorted(maps.Keys(all))))
}

// words lists names for a sentence or a description, in Markdown's code style.
func words[S ~string](names []S) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + string(n) + "`"
	}
	return strings.Join(quoted, ", ")
}
