// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Image is an image that controllers can be run from.
type Image struct {
	// Reference is what the nodes pull.
	Reference string
	// Architecture is the only one it is for, in the words of Kubernetes; empty if
	// it is for all.
	Architecture string
}

// DeployerOptions says which cluster a [Deployer] puts controllers into, and what
// it works with.
type DeployerOptions struct {
	// Config is the cluster, and the namespace in it.
	Config Config
	// Image gives the image for a deployment, having seen to it that it is there.
	Image func(ctx context.Context, opt serve.DeployOptions) (Image, error)
	// Version is the version of the program in the image that no option names.
	Version string
	// Credentials makes new ones for the copies of a controller among themselves.
	Credentials func() (serve.Credentials, error)
	// Abroad gives the clouds that controllers have machines from beside their cluster,
	// by what is known of them and how the keys of machines are made; nil gives none.
	Abroad func(a *Abroad, known Known, secret func() ([]byte, error)) ([]serve.Cloud, error)
	// Briefs are how controllers are to reach them, by their names and in the form of a
	// note.
	Briefs map[string]string
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Deployer runs controllers as pods: a namespace has one Deployment of them, which
// is there for all services in it, and is made with the first of them and removed
// with the last. A service is a ServeService object; one without anything asked of
// it is a controller without a service.
type Deployer struct {
	o    DeployerOptions
	pods *Cloud
}

var (
	_ serve.Deployer    = (*Deployer)(nil)
	_ serve.NameChecker = (*Deployer)(nil)
	_ serve.Scout       = (*Deployer)(nil)
)

// NewDeployer gives the deployer. It touches nothing.
func NewDeployer(o DeployerOptions) *Deployer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Deployer{o: o, pods: NewCloud(CloudOptions{Config: o.Config, Log: o.Log})}
}

// Name is "kubernetes".
func (d *Deployer) Name() string { return cloudName }

// Clouds names those that controllers here have machines from, pods first.
func (d *Deployer) Clouds() []string {
	names := []string{cloudName}
	all, err := d.abroad(nil, Known{}, nil)
	if err != nil {
		return names // nothing is known, of which nothing can be wrong
	}
	for _, cloud := range all {
		names = append(names, cloud.Name())
	}
	return names
}

// Scout implements [serve.Scout]. The others are asked as whoever deploys knows them.
func (d *Deployer) Scout(string) ([]serve.Cloud, error) {
	all, err := d.abroad(nil, Known{Briefs: d.o.Briefs}, nil)
	return append([]serve.Cloud{d.pods}, all...), err
}

// abroad gives the clouds beside the cluster.
func (d *Deployer) abroad(a *Abroad, known Known, secret func() ([]byte, error)) ([]serve.Cloud, error) {
	if d.o.Abroad == nil {
		return nil, nil
	}
	return d.o.Abroad(a, known, secret)
}

// Namespace implements [serve.Namespaced].
func (d *Deployer) Namespace() (string, error) {
	c, err := connect(d.o.Config)
	if err != nil {
		return "", fmt.Errorf("finding out the namespace: %w", err)
	}
	return c.namespace, nil
}

// CheckName implements [serve.NameChecker].
func (d *Deployer) CheckName(service string) error { return CheckName(service) }

// client gives the client of a service whose object is there.
func (d *Deployer) client(c *clients, object *unstructured.Unstructured) (*Client, error) {
	archive, err := NewArchive(ArchiveOptions{Config: d.o.Config, Service: object.GetName()})
	if err != nil {
		return nil, err
	}
	return NewClient(ClientOptions{
		Config:  d.o.Config,
		Archive: archive,
		Service: object.GetName(),
		Logs:    d.pods,
		Elsewhere: func(ctx context.Context, cloud string) (ReplicaLogs, error) {
			return d.logsIn(ctx, c, object.GetName(), cloud)
		},
		Bundles: NewBundles(BundlesOptions{Config: d.o.Config, Namespace: c.namespace, Owner: ownerOf(object)}),
	})
}

// logsIn gives the logs of a service's replicas in another cloud.
func (d *Deployer) logsIn(ctx context.Context, c *clients, service, cloud string) (ReplicaLogs, error) {
	a := c.abroad(service)
	known, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	all, err := d.abroad(a, known, func() ([]byte, error) { return c.sharedToken(ctx) })
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.Name() == cloud {
			return one, nil
		}
	}
	return nil, serve.ErrNotFound
}

// sharedToken gives what all copies of the controller know.
func (c *clients) sharedToken(ctx context.Context) ([]byte, error) {
	secret, err := c.typed.CoreV1().Secrets(c.namespace).Get(ctx, controllerName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading what the copies of the controller share: %w", meaning(err))
	}
	return secret.Data[keyToken], nil
}

// ownerOf gives a service's object as the owner of others.
func ownerOf(object *unstructured.Unstructured) Owner {
	return ServiceOwner(object.GetName(), string(object.GetUID()))
}

// Find implements [serve.Deployer].
func (d *Deployer) Find(ctx context.Context, service string) (serve.Client, error) {
	client, err := d.find(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("finding the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) find(ctx context.Context, service string) (serve.Client, error) {
	if err := CheckName(service); err != nil {
		return nil, err
	}
	c, err := connect(d.o.Config)
	if err != nil {
		return nil, err
	}
	object, err := c.objects().Get(ctx, service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		// Something of it may be left all the same. To call it gone then would be to
		// leave that running for ever.
		left, err := d.left(ctx, c)
		if err == nil && left[service] {
			err = fmt.Errorf("its ServeService was removed, but something of it is there: %w", serve.ErrUnreachable)
		}
		if err == nil {
			err = serve.ErrNotFound
		}
		return nil, err
	}
	if err != nil {
		return nil, meaning(err)
	}
	client, err := d.client(c, object)
	if err != nil {
		return nil, err
	}
	if err := client.alive(ctx); err != nil {
		return nil, err
	}
	return client, nil
}

// List implements [serve.Deployer].
func (d *Deployer) List(ctx context.Context) ([]string, error) {
	names, err := d.names(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	return names, nil
}

func (d *Deployer) names(ctx context.Context) ([]string, error) {
	c, err := connect(d.o.Config)
	if err != nil {
		return nil, err
	}
	names, err := d.left(ctx, c)
	if err != nil {
		return nil, err
	}
	// Without its definition there is none.
	list, err := c.objects().List(ctx, metav1.ListOptions{})
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return nil, err
	}
	if list != nil {
		for _, object := range list.Items {
			names[object.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// left gives the services of which there is a pod or a Secret.
func (d *Deployer) left(ctx context.Context, c *clients) (map[string]bool, error) {
	names := map[string]bool{}
	options := metav1.ListOptions{LabelSelector: labelManager + "=" + manager + "," + labelService + ",!" + labelScope}
	pods, err := c.typed.CoreV1().Pods(c.namespace).List(ctx, options)
	if err != nil {
		return nil, meaning(err)
	}
	for _, pod := range pods.Items {
		names[pod.Labels[labelService]] = true
	}
	secrets, err := c.typed.CoreV1().Secrets(c.namespace).List(ctx, options)
	if err != nil {
		return nil, meaning(err)
	}
	for _, secret := range secrets.Items {
		names[secret.Labels[labelService]] = true
	}
	return names, nil
}

// controllerPods gives the pods of the controller in the namespace.
func (c *clients) controllerPods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := c.typed.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: ofController()})
	if err != nil {
		return nil, meaning(err)
	}
	return list.Items, nil
}

// ofController selects the pods of the controller.
func ofController() string {
	return labelManager + "=" + manager + "," + labelComponent + "=" + componentController
}
