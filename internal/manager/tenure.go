// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// tenure is the time for which this copy decides for one service. It has a
// controller do as the directory says, and the directory show what becomes of it.
type tenure struct {
	m         *Manager
	name, uid string
	cancel    context.CancelFunc
	done      chan struct{}

	mu sync.Mutex
	// report is what is to be shown, and changed says that it is not yet.
	report  serve.Report
	changed chan struct{}
}

// run serves the tenure until the service is gone or ctx ends.
func (t *tenure) run(ctx context.Context) {
	t.changed = make(chan struct{}, 1)
	defer func() {
		t.m.mu.Lock()
		delete(t.m.shown, t.uid)
		t.m.mu.Unlock()
	}()
	for ctx.Err() == nil {
		err := t.serve(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(err, errMoved) {
			t.m.o.Log.Info("other clouds are reached in another way; beginning anew", "service", t.name)
			continue
		}
		t.m.o.Log.Error("a service's controller ended; starting it again", "service", t.name, "error", err)
		if d, ok, _ := t.m.list.find(t.uid); ok {
			t.m.refuse(ctx, d, "Its controller could not be run: "+err.Error())
		}
		t.m.hub.routed(t.m, t.uid)
		sleep(ctx, tenurePause)
	}
}

// serve runs a controller. Without an error the service has ended.
func (t *tenure) serve(ctx context.Context) (err error) {
	front, err := t.front(ctx)
	if err != nil {
		return err
	}
	known, _, _ := t.m.list.find(t.uid) // before any cloud is shown anything
	parts, err := t.m.o.Open(ctx, t.name, t.uid)
	if err != nil {
		return fmt.Errorf("opening what the controller of service %q works with: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, parts.Store.Close()) }()
	traffic := t.m.hub.share(t.uid, front, t.endpoint, func() { t.m.hub.routed(t.m, t.uid) })
	defer t.m.hub.unshare(traffic)
	defer front.SetDial(t.m.o.Dial) // until somebody decides for the service again
	c := controller.New(controller.Options{
		Service: t.name, Store: parts.Store, Clouds: parts.Clouds, Bundles: parts.Bundles,
		Archive: parts.Archive, Traffic: traffic, Log: t.m.o.Log.With("service", t.name),
	})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	part := func(f func(context.Context) error) { all.Go(func() { cancel(f(ctx)) }) }
	part(c.Run)
	part(func(ctx context.Context) error { return t.follow(ctx, c) })
	part(func(ctx context.Context) error { return t.observe(ctx, c) })
	part(func(ctx context.Context) error { return t.renew(ctx, c, known) })
	part(t.tell)
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errReleased) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// errMoved means that other clouds are to be reached in another way, which is found out
// when what the controller works with is opened.
var errMoved = errors.New("other clouds are reached in another way")

// errReleased means that the service has ended and its declaration is let go.
var errReleased = errors.New("the service has ended")

// front waits for the service's door to be open. A service that is deleted
// before it had a port is served behind none.
func (t *tenure) front(ctx context.Context) (*controller.Front, error) {
	for {
		d, ok, changed := t.m.list.find(t.uid)
		if front := t.m.front(t.uid); front != nil {
			return front, nil
		}
		if ok && d.Port == 0 && d.Deleting {
			endpoint, err := controller.Listen(ctx, "127.0.0.1:0", "")
			if err != nil {
				return nil, err
			}
			return controller.NewFront(endpoint, t.m.o.Log), endpoint.Close()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// endpoint is where clients reach the service.
func (t *tenure) endpoint() string {
	d, _, _ := t.m.list.find(t.uid)
	return d.Endpoint
}

// follow has the controller do what is declared.
func (t *tenure) follow(ctx context.Context, c *controller.Controller) error {
	// done is the generation that was dealt with, and asked what it has asked for.
	done, asked, err := t.begin(ctx, c)
	if err != nil {
		return err
	}
	for {
		d, ok, changed := t.m.list.find(t.uid)
		switch {
		case !ok:
			return errReleased
		case d.Deleting:
			return t.conclude(ctx, c)
		case d.Generation > done && d.Asked != "" && d.Asked == asked:
			// Something else about it has changed.
			done = d.Generation
			t.show(func(r *serve.Report) { r.Generation = done })
		case d.Generation > done:
			shown, why, problems := t.apply(ctx, c, d)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if done, asked = d.Generation, d.Asked; why != "" {
				asked = "" // asked for again it is judged again
			}
			t.show(func(r *serve.Report) {
				r.Generation, r.Asked, r.Refused, r.Errors = done, d.Asked, why, problems
				if shown != nil {
					r.Service = shown
				}
			})
		}
		if err := t.end(ctx, c, d); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin gives the generation that the controller has taken in before, 0 if it
// has no service, and what it has asked for, if that is known.
func (t *tenure) begin(ctx context.Context, c *controller.Controller) (done int64, asked string, err error) {
	d, _, _ := t.m.list.find(t.uid)
	s, err := c.Service(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound):
		t.m.hub.routed(t.m, t.uid) // it has no replicas to go to
		return 0, "", nil
	case err != nil:
		return 0, "", err
	}
	t.show(func(r *serve.Report) { r.Generation, r.Service = d.Taken, &s })
	if d.Taken >= d.Generation {
		asked = d.Asked
	}
	return d.Taken, asked, nil
}

// conclude ends the service, and lets its declaration go.
func (t *tenure) conclude(ctx context.Context, c *controller.Controller) error {
	err := c.Delete(ctx)
	if err == nil {
		err = c.Watch(ctx, func(serve.Service) bool { return true })
	}
	if !errors.Is(err, serve.ErrNotFound) {
		return err
	}
	if err := t.m.o.Directory.Release(ctx, t.name, t.uid); err != nil {
		return fmt.Errorf("letting go of service %q: %w", t.name, err)
	}
	return errReleased
}

// apply has the controller take a spec. It gives the service as it was then, or
// says why the spec was not taken.
func (t *tenure) apply(ctx context.Context, c *controller.Controller, d serve.Declaration) (shown *serve.Service, why string, problems serve.FieldErrors) {
	if d.Spec == nil {
		return nil, d.Invalid, nil
	}
	s, err := c.Apply(ctx, *d.Spec, serve.ApplyOptions{})
	if err == nil {
		return &s, "", nil
	}
	errors.As(err, &problems)
	return nil, err.Error(), problems
}

// end ends the replicas that somebody has asked to be ended.
func (t *tenure) end(ctx context.Context, c *controller.Controller, d serve.Declaration) error {
	for id, purge := range d.End {
		err := c.TerminateReplica(ctx, id, purge)
		if err != nil && !errors.Is(err, serve.ErrNotFound) && !errors.Is(err, serve.ErrConflict) {
			return err
		}
		if err := t.m.o.Directory.Done(ctx, t.name, t.uid, id); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return err
		}
	}
	return nil
}

// renew has clouds be shown what is given for them now, whenever that is not what they
// are shown. It ends when they are to be reached in another way than was known.
func (t *tenure) renew(ctx context.Context, c *controller.Controller, known serve.Declaration) error {
	for {
		now, ok, changed := t.m.list.find(t.uid)
		if ok && now.Reached != known.Reached && !now.Deleting {
			return errMoved
		}
		if ok && now.Shown != known.Shown {
			known.Shown = now.Shown
			c.Renew()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// observe shows every change of the service.
func (t *tenure) observe(ctx context.Context, c *controller.Controller) error {
	for {
		err := c.Watch(ctx, func(s serve.Service) bool {
			t.show(func(r *serve.Report) { r.Service = &s })
			return true
		})
		if !errors.Is(err, serve.ErrNotFound) {
			return err
		}
		// There is none yet, or none any more.
		if err := c.Await(ctx); err != nil {
			return err
		}
	}
}

// show changes what is shown.
func (t *tenure) show(change func(*serve.Report)) {
	t.mu.Lock()
	change(&t.report)
	service := t.report.Service
	t.mu.Unlock()
	t.m.mu.Lock()
	t.m.shown[t.uid] = service
	t.m.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// tell keeps the directory told. What changes while it is being told is told in
// one piece afterwards.
func (t *tenure) tell(ctx context.Context) error {
	for failures := 1; ; failures++ {
		select {
		case <-t.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		t.mu.Lock()
		report := t.report
		t.mu.Unlock()
		err := t.m.o.Directory.Report(ctx, t.name, t.uid, report)
		if err == nil || errors.Is(err, serve.ErrNotFound) {
			failures = 0
			continue
		}
		if ctx.Err() == nil {
			t.m.o.Log.Warn("reporting on a service failed; trying again", "service", t.name, "error", err)
		}
		if !sleep(ctx, min(tenurePause*1<<min(failures, 4), maxPause)) {
			return ctx.Err()
		}
		t.show(func(*serve.Report) {})
	}
}
