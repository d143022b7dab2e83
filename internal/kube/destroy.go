// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Destroy implements [serve.Deployer]. The controller may be dead, or be one that
// does not let go: the service's object is taken away whatever holds it, and its
// state with it. Without that no controller can launch anything any more, as it
// stores what it is going to do before it does it. Whatever it has under way is of
// an owner that is no more, and Kubernetes removes it.
func (d *Deployer) Destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	swept, err := d.destroy(ctx, service)
	if err != nil {
		return swept, fmt.Errorf("destroying the controller of service %q: %w", service, err)
	}
	return swept, nil
}

func (d *Deployer) destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	if err := CheckName(service); err != nil {
		return nil, err
	}
	c, err := connect(d.o.Config)
	if err != nil {
		return nil, err
	}
	if err := c.undeclare(ctx, service); err != nil {
		return nil, err
	}
	swept, err := d.sweep(ctx, c, service)
	if err != nil {
		return swept, err
	}
	if err := c.removeAll(ctx, service); err != nil {
		return swept, err
	}
	return swept, d.uninstall(ctx, c)
}

// undeclare removes the service's object and what it has stored.
func (c *clients) undeclare(ctx context.Context, service string) error {
	object, err := c.objects().Get(ctx, service, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("looking at ServeService %q: %w", service, meaning(err))
	}
	this := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(object.GetUID()))}
	if err := c.objects().Delete(ctx, service, this); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting ServeService %q: %w", service, meaning(err))
	}
	// The bundles it needs are those of others, too.
	bundles := NewBundles(BundlesOptions{Owner: ownerOf(object)})
	bundles.cluster.made = &site{clients: c}
	if err := bundles.Keep(); err != nil {
		return fmt.Errorf("giving up the bundles of service %q: %w", service, err)
	}
	if err := c.deleteSecrets(ctx, service); err != nil {
		return err
	}
	if err := c.letGo(ctx, object); err != nil {
		return fmt.Errorf("taking the finalizer off ServeService %q: %w", service, err)
	}
	return gone(ctx, c.objects(), service, object.GetUID())
}

// letGo takes our finalizer off an object, and leaves those of others.
func (c *clients) letGo(ctx context.Context, object *unstructured.Unstructured) error {
	for {
		now, err := c.objects().Get(ctx, object.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && now.GetUID() != object.GetUID() {
			return nil
		}
		if err != nil {
			return meaning(err)
		}
		err = patch(ctx, c, now, map[string]any{
			"finalizers":      slices.DeleteFunc(now.GetFinalizers(), func(f string) bool { return f == finalizer }),
			"resourceVersion": now.GetResourceVersion(),
		})
		if !errors.Is(err, serve.ErrConflict) && !errors.Is(err, serve.ErrNotFound) {
			return err // the controller may have changed it in between
		}
	}
}

// gone waits for the end of an object.
func gone(ctx context.Context, of dynamic.ResourceInterface, name string, uid types.UID) error {
	err := follow(ctx, of, nameIs(name), func(all map[string]*unstructured.Unstructured) bool {
		return all[name] != nil && all[name].GetUID() == uid
	})
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("waiting for %q to be gone: %w", name, err)
	}
	return nil
}

// sweep ends the service's pods, and its machines in other clouds.
func (d *Deployer) sweep(ctx context.Context, c *clients, service string) ([]serve.Instance, error) {
	swept, err := serve.Sweep(ctx, d.pods, service)
	if err != nil {
		return swept, err
	}
	for {
		more, err := d.sweepAbroad(ctx, c, service)
		swept = append(swept, more...)
		if !errors.Is(err, errMoved) { // or a machine was about to be made where there had been none
			return swept, err
		}
	}
}

// sweepAbroad ends the service's machines in the other clouds that the use of was noted,
// and then sees to it that nothing can be noted any more; errMoved is that something was
// in between.
func (d *Deployer) sweepAbroad(ctx context.Context, c *clients, service string) ([]serve.Instance, error) {
	a := c.abroad(service)
	known, err := a.read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	var all []serve.Cloud
	if err == nil {
		all, err = d.abroad(a, known, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("finding out in which other clouds service %q has machines: %w", service, err)
	}
	var swept []serve.Instance
	var errs []error
	for _, cloud := range all {
		if _, used := known.Notes[cloud.Name()]; !used {
			continue
		}
		of, err := serve.Sweep(ctx, cloud, service)
		swept = append(swept, of...)
		if err != nil {
			errs = append(errs, fmt.Errorf("ending the machines of the service in the cloud %q: %w", cloud.Name(), err))
		}
	}
	if len(errs) > 0 {
		return swept, errors.Join(errs...)
	}
	if err := a.kept.remove(ctx, known.secret); errors.Is(err, serve.ErrConflict) {
		return swept, errMoved
	} else if err != nil {
		return swept, fmt.Errorf("forgetting other clouds: %w", err)
	}
	return swept, nil
}

// removeAll removes what else carries the service's name: its endpoint, and what
// was stored by a controller that did not know yet that it was over.
func (c *clients) removeAll(ctx context.Context, service string) error {
	endpoints := c.typed.CoreV1().Services(c.namespace)
	there, err := endpoints.List(ctx, metav1.ListOptions{LabelSelector: ofService(service)})
	if err != nil {
		return fmt.Errorf("looking for the endpoint: %w", meaning(err))
	}
	for _, endpoint := range there.Items {
		if err := endpoints.Delete(ctx, endpoint.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the endpoint %q: %w", endpoint.Name, meaning(err))
		}
	}
	return c.deleteSecrets(ctx, service)
}

// deleteSecrets deletes what is stored for the service in the namespace, but not what
// others who use the namespace have stored for theirs, nor what is known of other
// clouds, which goes when there is nothing any more to be ended by it.
func (c *clients) deleteSecrets(ctx context.Context, service string) error {
	selector := ofService(service) + ",!" + labelScope + "," + labelComponent + "!=" + componentAbroad
	err := c.typed.CoreV1().Secrets(c.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("deleting what is stored for service %q: %w", service, meaning(err))
	}
	return nil
}
