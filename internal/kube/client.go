// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// pulse is how often it is looked whether a controller is there, while one is
// waited for.
const pulse = 15 * time.Second

// BundleStore keeps the files of services, as the controllers of the cluster find
// them.
type BundleStore interface {
	Has(digest string) (bool, error)
	Put(digest string, content io.Reader) error
}

// ReplicaLogs opens logs of replicas, as a [serve.Cloud] does.
type ReplicaLogs interface {
	Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error)
}

// ClientOptions say which service a client is for, and what it works with.
type ClientOptions struct {
	Config  Config
	Service string
	Bundles BundleStore
	// Logs opens the logs of replicas that are there, and Archive those of others.
	Logs    ReplicaLogs
	Archive *record.Archive
	// Elsewhere gives the logs of those that are in a cloud beside the cluster; nil if
	// there are none.
	Elsewhere func(ctx context.Context, cloud string) (ReplicaLogs, error)
	// Alive says whether a controller is there that does what is asked for, with
	// [serve.ErrUnreachable] when not; nil looks for its pods.
	Alive func(ctx context.Context) error
}

// Client is a [serve.Client] that talks to the controller through the service's
// custom resource. Its methods may be called at the same time.
type Client struct {
	o     ClientOptions
	c     *clients
	store *record.Store
}

var _ serve.Client = (*Client)(nil)

// NewClient gives the client of a service. Nothing is asked of the API server yet.
func NewClient(o ClientOptions) (*Client, error) {
	store, err := NewStore(StoreOptions{Config: o.Config, Service: o.Service})
	if err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	client := &Client{o: o, c: c, store: store}
	if o.Alive == nil {
		client.o.Alive = client.alive
	}
	return client, nil
}

// alive looks for a pod of the controller that is ready.
func (c *Client) alive(ctx context.Context) error {
	pods, err := c.c.controllerPods(ctx)
	if err != nil {
		return fmt.Errorf("looking for the controller: %w", err)
	}
	for _, pod := range pods {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("no pod of the controller is ready in the namespace %q (it has %d): %w", c.c.namespace, len(pods), serve.ErrUnreachable)
}

// while calls wait with a context that also ends when no controller is there any
// more.
func (c *Client) while(ctx context.Context, wait func(ctx context.Context) error) error {
	if err := c.o.Alive(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel(nil)
		// Two misses are one: a controller is replaced by another now and then.
		for misses := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pulse):
			}
			err := c.o.Alive(ctx)
			if misses++; !errors.Is(err, serve.ErrUnreachable) {
				misses = 0
			}
			if misses == 2 {
				cancel(err)
			}
		}
	}()
	err := wait(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, serve.ErrUnreachable) {
		err = cause
	}
	cancel(nil)
	<-done
	return err
}

// object asks for the service's object.
func (c *Client) object(ctx context.Context) (*unstructured.Unstructured, *ServeService, error) {
	object, err := c.c.objects().Get(ctx, c.o.Service, metav1.GetOptions{})
	if err != nil {
		return nil, nil, meaning(err)
	}
	s, err := read(object)
	return object, s, err
}

// shown gives what the controller shows of the service.
func (c *Client) shown(s *ServeService) (serve.Service, error) {
	if s == nil || s.Status.Service == nil {
		return serve.Service{}, fmt.Errorf("service %q: %w", c.o.Service, serve.ErrNotFound)
	}
	shown := *s.Status.Service
	if s.Status.Endpoint != "" {
		shown.Endpoint = s.Status.Endpoint
	}
	return shown, nil
}

// Service implements [serve.Client].
func (c *Client) Service(ctx context.Context) (serve.Service, error) {
	_, s, err := c.object(ctx)
	if err != nil {
		return serve.Service{}, fmt.Errorf("looking at service %q: %w", c.o.Service, err)
	}
	if err := c.o.Alive(ctx); err != nil {
		return serve.Service{}, err
	}
	return c.shown(s)
}

// Delete implements [serve.Client]. The object stays until the controller lets go
// of it.
func (c *Client) Delete(ctx context.Context) error {
	_, s, err := c.object(ctx)
	if err == nil && len(s.Spec.Service) == 0 && s.Status.Service == nil {
		err = serve.ErrNotFound
	}
	if err == nil {
		err = c.o.Alive(ctx)
	}
	if err == nil {
		err = meaning(c.c.objects().Delete(ctx, c.o.Service, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.UID))}))
	}
	if err != nil {
		return fmt.Errorf("deleting service %q: %w", c.o.Service, err)
	}
	return nil
}

// TerminateReplica implements [serve.Client]. It returns when the controller has
// taken the request off the object.
func (c *Client) TerminateReplica(ctx context.Context, id int64, purge bool) error {
	object, s, err := c.object(ctx)
	if err == nil {
		err = c.mayEnd(s, id, purge)
	}
	if err != nil {
		return err
	}
	value := ""
	if purge {
		value = purgeValue
	}
	err = c.while(ctx, func(ctx context.Context) error {
		key := terminateKey(id)
		if err := patch(ctx, c.c, object, map[string]any{"annotations": map[string]any{key: value}}); err != nil {
			return err
		}
		return follow(ctx, c.c.objects(), nameIs(c.o.Service), func(all map[string]*unstructured.Unstructured) bool {
			_, waiting := all[c.o.Service].GetAnnotations()[key]
			return waiting && all[c.o.Service].GetUID() == object.GetUID()
		})
	})
	if err != nil {
		return fmt.Errorf("ending replica %d of service %q: %w", id, c.o.Service, err)
	}
	return nil
}

// mayEnd says whether a replica can be ended, going by what is shown of it.
func (c *Client) mayEnd(s *ServeService, id int64, purge bool) error {
	if s.Status.Service != nil {
		for _, r := range s.Status.Service.Replicas {
			switch {
			case r.ID != id:
				continue
			case r.Teardown == serve.TeardownSucceeded && purge, r.Teardown == "":
				return nil
			case r.Teardown == serve.TeardownSucceeded && r.Status().IsFailed():
				return fmt.Errorf("replica %d is %s, its machine is gone; purge removes the record: %w", id, r.Status(), serve.ErrConflict)
			default:
				return fmt.Errorf("replica %d is %s already: %w", id, r.Status(), serve.ErrConflict)
			}
		}
	}
	return fmt.Errorf("replica %d of service %q: %w", id, c.o.Service, serve.ErrNotFound)
}

// HasBundle implements [serve.Client].
func (c *Client) HasBundle(_ context.Context, digest string) (bool, error) {
	return c.o.Bundles.Has(digest)
}

// PutBundle implements [serve.Client].
func (c *Client) PutBundle(_ context.Context, digest string, content io.Reader) error {
	return c.o.Bundles.Put(digest, content)
}
