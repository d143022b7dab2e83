// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// leaseName is the Lease that names the pod of the leading controller.
const leaseName = "serve-controller"

// Watch implements [serve.Client].
func (c *Client) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	return c.while(ctx, func(ctx context.Context) error {
		var last *serve.Service
		var problem error
		err := follow(ctx, c.c.objects(), nameIs(c.o.Service), func(all map[string]*unstructured.Unstructured) bool {
			var s *ServeService
			if object := all[c.o.Service]; object != nil {
				if s, problem = read(object); problem != nil {
					return false
				}
			}
			var now serve.Service
			if now, problem = c.shown(s); problem != nil {
				return false
			}
			if last != nil && reflect.DeepEqual(*last, now) {
				return true
			}
			last = &now
			return tell(now)
		})
		return errors.Join(err, problem)
	})
}

// followPage is how many events are read at a time.
const followPage = 500

// Events implements [serve.Client]. They are read where the controller stores
// them, whether it is there or not.
func (c *Client) Events(ctx context.Context, after int64, follow bool, tell func(serve.Event) bool) error {
	more, err := c.tellEvents(ctx, &after, tell)
	if err != nil || !more || !follow {
		return err
	}
	items := func(l *corev1.SecretList) []*corev1.Secret { return pointers(l.Items) }
	var problem error
	err = followAll(ctx, c.c.typed.CoreV1().Secrets(c.c.namespace), nameIs(stateName(c.o.Service)), items, func(all map[string]*corev1.Secret) bool {
		secret := all[stateName(c.o.Service)]
		if secret == nil {
			return true
		}
		r, err := unpack(secret)
		if err != nil {
			problem = err
			return false
		}
		if r.Last <= after {
			return true
		}
		more, problem = c.tellEvents(ctx, &after, tell)
		return more && problem == nil
	})
	return errors.Join(err, problem)
}

// tellEvents tells all events that there are after a number, which it moves on.
func (c *Client) tellEvents(ctx context.Context, after *int64, tell func(serve.Event) bool) (more bool, err error) {
	for {
		events, err := c.store.Events(ctx, *after, followPage)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			*after = e.Seq
			if !tell(e) {
				return false, nil
			}
		}
		if len(events) < followPage {
			return true, nil
		}
	}
}

// Logs implements [serve.Client]. The controller's own log is that of the pod
// that leads.
func (c *Client) Logs(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	if replica == 0 {
		return c.ownLog(ctx, opt)
	}
	_, s, err := c.object(ctx)
	var shown serve.Service
	if err == nil {
		shown, err = c.shown(s)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	logs, err := c.logsOf(ctx, shown, replica)
	var log io.ReadCloser
	if err == nil {
		log, err = logs.Logs(ctx, serve.Ref{Service: c.o.Service, UID: shown.UID, Replica: replica}, opt)
	}
	if errors.Is(err, serve.ErrNotFound) && c.o.Archive != nil {
		return c.o.Archive.Open(ctx, replica, opt)
	}
	return log, err
}

// logsOf gives where the log of a replica is.
func (c *Client) logsOf(ctx context.Context, shown serve.Service, replica int64) (ReplicaLogs, error) {
	for _, r := range shown.Replicas {
		if cloud := r.Offer.Location.Cloud; r.ID == replica && cloud != "" && cloud != cloudName && c.o.Elsewhere != nil {
			logs, err := c.o.Elsewhere(ctx, cloud)
			if err != nil {
				return nil, fmt.Errorf("opening the log of replica %d in the cloud %q: %w", replica, cloud, err)
			}
			return logs, nil
		}
	}
	return c.o.Logs, nil
}

func (c *Client) ownLog(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	lease, err := c.c.typed.CoordinationV1().Leases(c.c.namespace).Get(ctx, leaseName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("looking for the controller that leads: %w", meaning(err))
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return nil, fmt.Errorf("opening the controller's log: no controller leads: %w", serve.ErrNotFound)
	}
	options := &corev1.PodLogOptions{Follow: opt.Follow}
	if opt.Tail > 0 {
		lines := int64(opt.Tail)
		options.TailLines = &lines
	}
	log, err := c.c.typed.CoreV1().Pods(c.c.namespace).GetLogs(*lease.Spec.HolderIdentity, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the log of pod %q: %w", *lease.Spec.HolderIdentity, meaning(err))
	}
	return log, nil
}
