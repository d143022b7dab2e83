// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Directory is a [serve.Directory] of the ServeServices in one namespace. Its
// methods may be called at the same time.
type Directory struct {
	c *clients

	mu sync.Mutex
	// seen are the services as they were seen or written last, by name. They may
	// be old: a write that is refused for it reads again.
	seen map[string]*unstructured.Unstructured
	// urls are the endpoints that are known, exposed the Service objects as they
	// were seen last, and applied as they were sent last, all by name.
	urls    map[string]string
	exposed map[string]*corev1.Service
	applied map[string]string
	// reporting keeps reports of one service in order.
	reporting map[string]*sync.Mutex
}

var _ serve.Directory = (*Directory)(nil)

// NewDirectory gives the directory of the configuration's namespace. Nothing is
// asked of the API server yet.
func NewDirectory(config Config) (*Directory, error) {
	c, err := connect(config)
	if err != nil {
		return nil, err
	}
	return &Directory{
		c:         c,
		seen:      map[string]*unstructured.Unstructured{},
		urls:      map[string]string{},
		applied:   map[string]string{},
		reporting: map[string]*sync.Mutex{},
	}, nil
}

// Done implements [serve.Directory].
func (d *Directory) Done(ctx context.Context, name, uid string, replica int64) error {
	object, err := d.object(ctx, name, uid)
	if err == nil {
		err = takeOff(ctx, d.c, object, terminateKey(replica))
	}
	if err != nil {
		return fmt.Errorf("taking the end of replica %d off service %q: %w", replica, name, err)
	}
	return nil
}

// takeOff removes an annotation from the object, and from none that has taken its
// place.
func takeOff(ctx context.Context, c *clients, object *unstructured.Unstructured, annotation string) error {
	return patch(ctx, c, object, map[string]any{"annotations": map[string]any{annotation: nil}})
}

// patch changes metadata of the object, and of none that has taken its place.
func patch(ctx context.Context, c *clients, object *unstructured.Unstructured, metadata map[string]any) error {
	metadata["uid"] = object.GetUID()
	data, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	_, err = c.objects().Patch(ctx, object.GetName(), types.MergePatchType, data, metav1.PatchOptions{FieldManager: fieldManager})
	return meaning(err)
}

// Release implements [serve.Directory].
func (d *Directory) Release(ctx context.Context, name, uid string) error {
	if err := d.release(ctx, name, uid); err != nil {
		return fmt.Errorf("releasing service %q: %w", name, err)
	}
	return nil
}

func (d *Directory) release(ctx context.Context, name, uid string) error {
	// They are listed while the service is there, and so are not those of one that
	// comes after it under the same name.
	stored, err := d.c.typed.CoreV1().Secrets(d.c.namespace).List(ctx, metav1.ListOptions{LabelSelector: ofService(name)})
	if err != nil {
		return meaning(err)
	}
	gone := false
	for {
		object, err := d.ask(ctx, name, uid)
		switch {
		case errors.Is(err, serve.ErrNotFound):
			return nil
		case err != nil:
			return err
		case object.GetDeletionTimestamp() == nil:
			return fmt.Errorf("%w: it is not being deleted", serve.ErrConflict)
		}
		if !gone {
			if err := d.remove(ctx, stored.Items); err != nil {
				return err
			}
			gone = true
		}
		object.SetFinalizers(slices.DeleteFunc(object.GetFinalizers(), func(f string) bool { return f == finalizer }))
		_, err = d.c.objects().Update(ctx, object, metav1.UpdateOptions{FieldManager: fieldManager})
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return meaning(err)
		}
	}
}

// remove deletes Secrets, and none that have taken their places.
func (d *Directory) remove(ctx context.Context, stored []corev1.Secret) error {
	for _, secret := range stored {
		err := d.c.typed.CoreV1().Secrets(d.c.namespace).Delete(ctx, secret.Name,
			metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(secret.UID))})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return meaning(err)
		}
	}
	return nil
}

// ofService selects everything of ours that is labelled with a service.
func ofService(name string) string {
	return labelManager + "=" + manager + "," + labelService + "=" + name
}

// object gives a service as it was seen last, which may be old, or asks for it.
func (d *Directory) object(ctx context.Context, name, uid string) (*unstructured.Unstructured, error) {
	d.mu.Lock()
	object := d.seen[name]
	d.mu.Unlock()
	if object != nil && string(object.GetUID()) == uid {
		return object.DeepCopy(), nil
	}
	return d.ask(ctx, name, uid)
}

// ask asks for a service.
func (d *Directory) ask(ctx context.Context, name, uid string) (*unstructured.Unstructured, error) {
	object, err := d.c.objects().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	if string(object.GetUID()) != uid {
		return nil, fmt.Errorf("%w: another service has the name now", serve.ErrNotFound)
	}
	d.saw(object)
	return object.DeepCopy(), nil
}

// saw remembers a service as it has been seen or written.
func (d *Directory) saw(object *unstructured.Unstructured) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[object.GetName()] = object
}
