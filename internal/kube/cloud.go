// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// CloudOptions says which cluster a [Cloud] is, and how it is used.
type CloudOptions struct {
	Config Config
	// Namespace is where the pods are; empty is that of Config.
	Namespace string
	// Image is the image of replicas whose resources name none.
	Image string
	// Region is the cluster's name in locations; empty is that of Config's
	// context, or "in-cluster" without one.
	Region string
	// SpotLabel is a label "key=value" of nodes that are spot machines, beside the
	// labels by which the known clouds mark theirs.
	SpotLabel string
	// Nodes are labels of the nodes to be used; empty is every node.
	Nodes map[string]string
	// Scope names those whose pods these are, among all who use the namespace: a
	// service of the same name of somebody else is not this one, and its pods are
	// not orphans of it. It is asked for once, with the first connection. Nil is
	// for the one controller that belongs to the namespace itself.
	Scope func() (string, error)
	// Shown gives what a cluster is shown that has to be given credentials, in place of
	// Config: a kubeconfig that needs no other files, as JSON with kubeconfig and
	// context. Nil, and where it gives nothing, is as Config says.
	Shown serve.CredentialsOf
	// ProvisionTimeout is how long no node may have room for a pod before that is
	// serve.ErrCapacity; 0 is ten seconds. While the cluster says that a node is
	// being made it is waited for longer.
	ProvisionTimeout time.Duration
	// Owner gives the object whose end is to be the end of the service's pods and
	// Secrets too; nil if there is none.
	Owner func(service string) *Owner
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Owner is an object of the namespace that owns others: when it is deleted,
// Kubernetes deletes them.
type Owner struct {
	APIVersion, Kind, Name, UID string
}

// ServiceOwner gives the ServeService of a name and UID as an owner.
func ServiceOwner(name, uid string) Owner {
	return Owner{APIVersion: group + "/" + version, Kind: kind, Name: name, UID: uid}
}

// reference gives the owner as Kubernetes has it.
func (o Owner) reference() metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: types.UID(o.UID)}
}

// defaultImage has what most start scripts need: a shell, tar and Python.
const defaultImage = "docker.io/library/python:3.13-slim"

// provisionTimeout is that of SkyPilot.
const provisionTimeout = 10 * time.Second

// Cloud launches replicas as pods. Several may use one namespace, in one process
// or in many.
type Cloud struct {
	o        CloudOptions
	log      *slog.Logger
	cluster  *connector
	feed     feed
	machines turns.Turns[serve.Ref]

	mu sync.Mutex
	// known are the pods that were launched here and not terminated. A pod object
	// that is deleted leaves nothing behind that could tell of it.
	known map[serve.Ref]types.UID
	pools pools

	tunnels tunnels
}

var (
	_ serve.Cloud     = (*Cloud)(nil)
	_ serve.Keyholder = (*Cloud)(nil)
)

// NewCloud gives the cloud of the cluster. It touches nothing, and connects when
// it is first used.
func NewCloud(o CloudOptions) *Cloud {
	o.Image = cmp.Or(o.Image, defaultImage)
	o.ProvisionTimeout = cmp.Or(o.ProvisionTimeout, provisionTimeout)
	o.Config.Namespace = cmp.Or(o.Namespace, o.Config.Namespace)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cloud{o: o, log: o.Log, cluster: &connector{config: o.Config, scope: o.Scope, shown: o.Shown}, known: make(map[serve.Ref]types.UID)}
	c.feed = feed{cluster: c.cluster, log: o.Log}
	c.cluster.seen = c.feed.seen
	return c
}

// Name is "kubernetes".
func (c *Cloud) Name() string { return cloudName }

// Context is the name of kubectl's context by which the cluster is reached, the
// same for as long as the Cloud is used; empty where there is none.
func (c *Cloud) Context(ctx context.Context) (string, error) {
	s, err := c.cluster.connect(ctx)
	if err != nil {
		return "", fmt.Errorf("finding out which cluster this is: %w", err)
	}
	return s.context, nil
}

// Renew implements [serve.Keyholder]. Watches are taken up with the other key where they
// were, and connections to pods that are open go on until they are closed.
func (c *Cloud) Renew(ctx context.Context) (changed bool, err error) {
	changed, err = c.cluster.renew(ctx)
	if changed {
		c.tunnels.renew()
	}
	if err != nil {
		return changed, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return changed, nil
}

// region is the cluster's name in locations.
func (c *Cloud) region(s *site) string { return cmp.Or(c.o.Region, s.region()) }

// owners gives what owns the service's objects.
func (c *Cloud) owners(service string) []metav1.OwnerReference {
	if c.o.Owner == nil {
		return nil
	}
	o := c.o.Owner(service)
	if o == nil {
		return nil
	}
	return []metav1.OwnerReference{o.reference()}
}

// join connects, and watches the cluster until leave is called.
func (c *Cloud) join(ctx context.Context) (*site, *watching, func(), error) {
	s, err := c.cluster.connect(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	w, leave, err := c.feed.join(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	return s, w, leave, nil
}

// remember notes that the pod is ours to be told of, and forget that it is not
// any more.
func (c *Cloud) remember(ref serve.Ref, uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[ref] = uid
}

func (c *Cloud) forget(ref serve.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, ref)
}

// remembered gives what is known of the service's pods.
func (c *Cloud) remembered(service string) map[serve.Ref]types.UID {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[serve.Ref]types.UID)
	for ref, uid := range c.known {
		if ref.Service == service {
			all[ref] = uid
		}
	}
	return all
}
