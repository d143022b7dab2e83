// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// uninstall removes the controller if no service needs it any more, then the
// definition of our custom resource and the namespace, if nobody needs these.
// Somebody may deploy at the same moment. He declares a service first and marks
// everything then; so what is removed here is what was looked at before it was
// found that no service is declared, and nothing that has been marked since.
func (d *Deployer) uninstall(ctx context.Context, c *clients) error {
	for {
		err := c.uninstallOnce(ctx)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

func (c *clients) uninstallOnce(ctx context.Context) error {
	seen := map[schema.GroupVersionResource]*unstructured.Unstructured{}
	for _, kind := range installed() {
		at, name := c.part(kind)
		object, err := at.Get(ctx, name, metav1.GetOptions{})
		switch {
		case err == nil:
			seen[kind] = object
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("looking at %s %q: %w", kind.Resource, name, meaning(err))
		}
	}
	namespace, err := c.ownNamespace(ctx)
	if err != nil {
		return err
	}
	definition, err := c.dynamic.Resource(definitions()).Get(ctx, crdName, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("looking at the custom resource %s: %w", crdName, meaning(err))
	}
	if err != nil {
		definition = nil
	}
	if used, err := c.used(ctx); err != nil || used {
		return err
	}
	for _, kind := range installed() {
		if object := seen[kind]; object != nil {
			at, _ := c.part(kind)
			if err := remove(ctx, at, kind, object); err != nil {
				return err
			}
		}
	}
	if err := c.undefine(ctx, definition); err != nil {
		return err
	}
	return c.removeNamespace(ctx, namespace)
}

// used reports whether there is a service in the namespace, or something by which
// somebody has yet to end the machines that one has had in other clouds.
func (c *clients) used(ctx context.Context) (bool, error) {
	declared, err := c.objects().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil && !apierrors.IsNotFound(err) { // without its definition there is none
		return false, fmt.Errorf("looking for other services: %w", meaning(err))
	}
	if err == nil && len(declared.Items) > 0 {
		return true, nil
	}
	kept, err := c.typed.CoreV1().Secrets(c.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labelManager + "=" + manager + "," + labelComponent + "=" + componentAbroad, Limit: 1,
	})
	if err != nil {
		return false, fmt.Errorf("looking for what is known of other clouds: %w", meaning(err))
	}
	return len(kept.Items) > 0, nil
}

// remove removes an object if it is what it was, with all that depends on it, and
// waits for its end.
func remove(ctx context.Context, at dynamic.ResourceInterface, kind schema.GroupVersionResource, object *unstructured.Unstructured) error {
	uid, version := object.GetUID(), object.GetResourceVersion()
	if kind.Resource == "deployments" || kind.Resource == "leases" {
		// Their versions change all the time by themselves. A Lease is made again
		// when it is needed; of a Deployment the mark tells.
		now, err := at.Get(ctx, object.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return meaning(err)
		}
		if now.GetUID() != uid || now.GetAnnotations()[annotationDeployed] != object.GetAnnotations()[annotationDeployed] {
			return errMoved
		}
		version = now.GetResourceVersion()
	}
	foreground := metav1.DeletePropagationForeground
	err := at.Delete(ctx, object.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}, PropagationPolicy: &foreground,
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		return errMoved
	case err != nil:
		return fmt.Errorf("deleting %s %q: %w", kind.Resource, object.GetName(), meaning(err))
	}
	return gone(ctx, at, object.GetName(), uid)
}

// undefine removes the definition of our custom resource if there is none of it in
// the whole cluster. Who may not look everywhere, or not remove it, leaves it.
func (c *clients) undefine(ctx context.Context, definition *unstructured.Unstructured) error {
	if definition == nil || definition.GetLabels()[labelManager] != manager {
		return nil
	}
	everywhere, err := c.dynamic.Resource(services()).List(ctx, metav1.ListOptions{Limit: 1})
	if apierrors.IsForbidden(err) || err == nil && len(everywhere.Items) > 0 {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("looking for services in other namespaces: %w", meaning(err))
	}
	err = remove(ctx, c.dynamic.Resource(definitions()), definitions(), definition)
	if errors.Is(err, serve.ErrUnauthorized) {
		return nil
	}
	return err
}

// ownNamespace gives the namespace if we have made it.
func (c *clients) ownNamespace(ctx context.Context) (*unstructured.Unstructured, error) {
	namespace, err := c.dynamic.Resource(namespaces()).Get(ctx, c.namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil //nolint:nilnil // none that is ours
	}
	if err != nil {
		return nil, fmt.Errorf("looking at the namespace %q: %w", c.namespace, meaning(err))
	}
	if namespace.GetLabels()[labelManager] != manager {
		return nil, nil //nolint:nilnil // none that is ours
	}
	return namespace, nil
}

// removeNamespace removes a namespace of ours, unless somebody else has come to
// use it.
func (c *clients) removeNamespace(ctx context.Context, namespace *unstructured.Unstructured) error {
	if namespace == nil {
		return nil
	}
	for _, kind := range []schema.GroupVersionResource{
		{Version: "v1", Resource: "pods"},
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "persistentvolumeclaims"},
		{Version: "v1", Resource: "secrets"},
		{Version: "v1", Resource: "configmaps"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "batch", Version: "v1", Resource: "jobs"},
		{Group: "batch", Version: "v1", Resource: "cronjobs"},
	} {
		list, err := c.dynamic.Resource(kind).Namespace(c.namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			return nil // who knows
		}
		if err != nil {
			return fmt.Errorf("looking at what is in the namespace %q: %w", c.namespace, meaning(err))
		}
		for _, object := range list.Items {
			labels := object.GetLabels()
			_, others := labels[labelScope]
			// Kubernetes puts that one into every namespace.
			if (labels[labelManager] != manager || others) && object.GetName() != "kube-root-ca.crt" {
				return nil
			}
		}
	}
	return remove(ctx, c.dynamic.Resource(namespaces()), namespaces(), namespace)
}

// namespaces names namespaces in requests.
func namespaces() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}
