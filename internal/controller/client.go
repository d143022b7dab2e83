// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Apply implements serve.Client.
func (c *Controller) Apply(ctx context.Context, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, error) {
	var applied serve.Service
	err := c.do(ctx, func(l *loop) error {
		if err := l.apply(spec, opt); err != nil {
			return err
		}
		applied = l.show()
		return l.commit()
	})
	if err != nil {
		return serve.Service{}, err // the loop may still be at work on applied
	}
	return applied, nil
}

// apply makes spec the newest revision, unless it says what is so already.
func (l *loop) apply(spec serve.Spec, opt serve.ApplyOptions) error {
	if spec.Name != l.c.o.Service {
		return fmt.Errorf("this controller is for service %q, not %q: %w", l.c.o.Service, spec.Name, serve.ErrInvalid)
	}
	if l.state.Deleting {
		return fmt.Errorf("service %q is being deleted: %w", spec.Name, serve.ErrConflict)
	}
	if opt.MustBeNew && l.state.UID != "" {
		return fmt.Errorf("service %q exists already: %w", spec.Name, serve.ErrConflict)
	}
	if opt.KeepSecrets {
		spec.Secrets = l.state.Spec.Secrets
	}
	if err := spec.Validate().Err(); err != nil {
		return err
	}
	for _, digest := range digests(spec) {
		ok, err := l.c.o.Bundles.Has(digest)
		if err != nil {
			return fmt.Errorf("looking for the bundle %s: %w", digest, err)
		}
		if !ok {
			return fmt.Errorf("the bundle %s was not uploaded: %w", digest, serve.ErrInvalid)
		}
	}
	if l.state.UID != "" {
		if !same(spec, l.state.Spec) {
			l.state.Revise(spec, now())
			l.revised()
		}
		return nil
	}
	at := now()
	l.state.Name, l.state.UID, l.state.CreatedAt = spec.Name, strings.ToLower(rand.Text()), at
	l.state.NextID = max(l.state.NextID, 1)
	l.state.Revise(spec, at)
	l.dirty, l.touched = true, true
	l.note(serve.EventSpec, 0, "Revision %d is accepted", l.state.Revision)
	l.begin()
	l.keepBundles()
	return nil
}

// same reports whether two specs say the same. They are compared as they are
// stored, where an empty map and none are one.
func same(a, b serve.Spec) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// digests names the bundles a spec needs.
func digests(spec serve.Spec) []string {
	var needed []string
	if spec.Workdir != "" {
		needed = append(needed, spec.Workdir)
	}
	for _, digest := range spec.FileMounts {
		needed = append(needed, digest)
	}
	return needed
}

// keepBundles removes bundles no remembered spec needs.
func (l *loop) keepBundles() {
	needed := digests(l.state.Spec)
	for _, old := range l.state.Old {
		needed = append(needed, digests(old)...)
	}
	if err := l.c.o.Bundles.Keep(needed...); err != nil {
		l.c.o.Log.Warn("removing unused bundles failed", "error", err)
	}
}

// commit stores what a caller asked for, and lets the endpoint know, before the
// caller is told that it is so.
func (l *loop) commit() error {
	l.route()
	l.noteStatuses()
	err := l.save()
	l.publish()
	return err
}

// Service implements serve.Client. It reads what the last turn has shown, and
// waits only for the controller to have loaded its state: before that it cannot
// tell whether there is a service.
func (c *Controller) Service(ctx context.Context) (serve.Service, error) {
	if err := c.await(ctx, c.started); err != nil {
		return serve.Service{}, err
	}
	v := c.view.Load()
	if !v.exists {
		return serve.Service{}, fmt.Errorf("service %q: %w", c.o.Service, serve.ErrNotFound)
	}
	s := v.service
	s.QPS = float64(c.o.Traffic.Requests(now())) / 60
	return s, nil
}

// Watch implements serve.Client.
func (c *Controller) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	for {
		changed := c.view.Load().changed
		service, err := c.Service(ctx)
		if err != nil {
			return err
		}
		if !tell(service) {
			return nil
		}
		if err := c.await(ctx, changed); err != nil {
			return err
		}
	}
}

// Await returns when there is a service.
func (c *Controller) Await(ctx context.Context) error {
	for {
		v := c.view.Load()
		if v.exists {
			return nil
		}
		if err := c.await(ctx, v.changed); err != nil {
			return err
		}
	}
}

// await waits for a channel to close.
func (c *Controller) await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		return c.gone(ctx)
	}
}

// Delete implements serve.Client.
func (c *Controller) Delete(ctx context.Context) error {
	return c.do(ctx, func(l *loop) error {
		if l.state.UID == "" {
			return fmt.Errorf("service %q: %w", c.o.Service, serve.ErrNotFound)
		}
		if l.state.Deleting {
			return nil
		}
		l.state.Deleting = true
		l.note(serve.EventSpec, 0, "Service %s is to be deleted", l.state.Name)
		for i := range l.state.Replicas {
			r := &l.state.Replicas[i]
			switch {
			case r.Teardown == "":
				l.end(r, serve.CauseDeleted, "")
			case r.Cause.IsFailure():
				r.Cause = serve.CauseDeleted // its record has served its purpose
			}
		}
		l.state.Replicas = slices.DeleteFunc(l.state.Replicas, func(r serve.Replica) bool {
			return r.Teardown == serve.TeardownSucceeded
		})
		l.touched = true
		return l.commit()
	})
}

// TerminateReplica implements serve.Client.
func (c *Controller) TerminateReplica(ctx context.Context, id int64, purge bool) error {
	return c.do(ctx, func(l *loop) error {
		r := l.find(id)
		if r == nil {
			return fmt.Errorf("replica %d of service %q: %w", id, c.o.Service, serve.ErrNotFound)
		}
		switch status := r.Status(); {
		case r.Teardown == serve.TeardownSucceeded && purge:
			l.remove(id)
		case status.IsFailed() && r.Teardown == serve.TeardownSucceeded:
			return fmt.Errorf("replica %d is %s, its machine is gone; purge removes the record: %w", id, status, serve.ErrConflict)
		case r.Teardown != "":
			return fmt.Errorf("replica %d is %s already: %w", id, status, serve.ErrConflict)
		default:
			l.end(r, serve.CauseRequested, "A person asked for its end")
		}
		return l.commit()
	})
}

// HasBundle implements serve.Client.
func (c *Controller) HasBundle(_ context.Context, digest string) (bool, error) {
	return c.o.Bundles.Has(digest)
}

// PutBundle implements serve.Client.
func (c *Controller) PutBundle(_ context.Context, digest string, content io.Reader) error {
	return c.o.Bundles.Put(digest, content)
}

// eventPage is how many events are read from the store at a time.
const eventPage = 200

// Events implements serve.Client.
func (c *Controller) Events(ctx context.Context, after int64, follow bool, tell func(serve.Event) bool) error {
	for {
		changed := c.view.Load().changed
		events, err := c.o.Store.Events(ctx, after, eventPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			if !tell(e) {
				return nil
			}
			after = e.Seq
		}
		if len(events) == eventPage {
			continue
		}
		if !follow {
			return nil
		}
		if err := c.await(ctx, changed); err != nil {
			return err
		}
	}
}

// Logs implements serve.Client.
func (c *Controller) Logs(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	if replica == 0 {
		if c.o.OwnLog == nil {
			return nil, fmt.Errorf("the controller's own log: %w", serve.ErrNotFound)
		}
		return c.o.OwnLog(ctx, opt)
	}
	var clouds []serve.Cloud
	var ref serve.Ref
	err := c.do(ctx, func(l *loop) error {
		ref = l.ref(replica)
		if r := l.find(replica); r != nil && r.Teardown != serve.TeardownSucceeded {
			clouds = l.cloudsOf(*r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var failed error
	for _, cloud := range clouds {
		log, err := cloud.Logs(ctx, ref, opt)
		if err == nil {
			return log, nil
		}
		if !errors.Is(err, serve.ErrNotFound) {
			failed = errors.Join(failed, err)
		}
	}
	log, err := io.ReadCloser(nil), fmt.Errorf("the log of replica %d: %w", replica, serve.ErrNotFound)
	if c.o.Archive != nil {
		log, err = c.o.Archive.Open(ctx, replica, opt)
	}
	if failed != nil && errors.Is(err, serve.ErrNotFound) {
		return nil, failed
	}
	return log, err
}
