// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Destroy kills the controller, ends every machine of the service, and removes
// the controller's directory. It needs neither the controller nor its files.
func (d *Deployer) Destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	swept, err := d.destroy(ctx, service)
	if err != nil {
		return swept, fmt.Errorf("destroying the controller of service %q: %w", service, err)
	}
	return swept, nil
}

func (d *Deployer) destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	if err := checkName(service); err != nil {
		return nil, err
	}
	h, err := openHome(d.o.Root)
	if err != nil {
		return nil, err
	}
	if exists(h.controller(service)) {
		unlock, err := d.enter(ctx, h, service)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	if err := d.end(ctx, h, service); err != nil {
		return nil, err
	}
	swept, err := d.sweep(ctx, h.controller(service), service)
	if err != nil {
		return swept, err
	}
	if err := remove(h.controller(service)); err != nil {
		return swept, err
	}
	return swept, errors.Join(sweepDirs(h.replicas(), buried), sweepDirs(h.controllers(), buried))
}

// end kills the controller, by the lock it holds and by the tags it carries.
func (d *Deployer) end(ctx context.Context, h home, service string) error {
	p, held, err := holder(ctx, h, service)
	if err != nil {
		return err
	}
	if held {
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		if err := p.wait(ctx); err != nil {
			return fmt.Errorf("waiting for the controller to end: %w", err)
		}
		d.children.reap(p)
	}
	return killAll(ctx, h, controllerOf(service))
}

// sweep ends the service's machines until no cloud knows of any. Of other clouds
// those are asked that its controller has noted the use of: one that nobody uses
// may be out of reach for ever. Where even the notes are gone all are asked, but
// for those that nobody has configured here.
func (d *Deployer) sweep(ctx context.Context, dir, service string) ([]serve.Instance, error) {
	var swept []serve.Instance
	var errs []error
	unknown := !exists(dir)
	notes, err := readNotes(dir)
	if err != nil {
		return nil, err
	}
	for _, cloud := range d.o.Clouds(notes, d.shownIn(dir)) {
		if _, noted := notes[cloud.Name()]; !noted && !unknown && cloud.Name() != cloudName {
			continue
		}
		of, err := serve.Sweep(ctx, cloud, service)
		swept = append(swept, of...)
		if unknown && cloud.Name() != cloudName && errors.Is(err, serve.ErrUnauthorized) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweeping the cloud %q: %w", cloud.Name(), err))
		}
	}
	return swept, errors.Join(errs...)
}
