// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Some clouds can give a machine another task; see [serve.Restarter]. A replica that
// is to run another revision where it is, is out of the balancer at once. When no
// request is under way to it any more its cloud is asked, and from then on it is
// probed like one that was just launched.

// restarts names the clouds whose machines can be given another task.
func (l *loop) restarts() []string {
	var names []string
	for _, cloud := range l.c.o.Clouds {
		if _, ok := cloud.(serve.Restarter); ok {
			names = append(names, cloud.Name())
		}
	}
	return names
}

// renew follows a replica that was decided to be restarted. What was heard of its
// program says nothing about the one to come.
func (l *loop) renew(r *serve.Replica) {
	r.DrainUntil = now().Add(serve.Seconds(l.state.Spec.LoadBalancer.DrainTimeoutSeconds))
	r.Message = fmt.Sprintf("It is restarted as revision %d when the requests under way are finished", r.Revision)
	run := l.of(r.ID)
	run.drained, run.notBefore = false, time.Time{}
	run.stopProbing()
	delete(l.settling, r.ID)
	delete(l.tolls, r.ID)
}

// restart asks the cloud to have the replica's machine run its revision.
func (l *loop) restart(r *serve.Replica, run *running) func() {
	if r.Restart != serve.RestartRunning {
		r.Restart, l.touched = serve.RestartRunning, true
		r.Message = fmt.Sprintf("It is being restarted as revision %d", r.Revision)
	}
	ctx := l.beginStep(run, restarting)
	id, cloud, req := r.ID, l.cloud(r.Offer.Location.Cloud), l.request(r)
	return func() {
		l.background(func() func() {
			instance, err := restartOn(ctx, cloud, req)
			return func() { l.restarted(id, instance, err) }
		})
	}
}

// restartOn restarts, within the time that a launch may take.
func restartOn(ctx context.Context, cloud serve.Cloud, req serve.LaunchRequest) (serve.Instance, error) {
	restarter, ok := cloud.(serve.Restarter)
	if !ok {
		return serve.Instance{}, fmt.Errorf("no machine of the cloud %q can be given another task: %w", req.Offer.Location.Cloud, serve.ErrInvalid)
	}
	patient, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	return restarter.Restart(patient, req)
}

// restarted takes in how a restart went. A machine that cannot be given its task is
// no use, and is replaced.
func (l *loop) restarted(id int64, instance serve.Instance, err error) {
	run := l.of(id)
	run.endStep()
	r := l.find(id)
	if r == nil || r.Teardown != "" || l.ctx.Err() != nil {
		return // called off, or taken up again by the next controller
	}
	l.dirty, l.touched = true, true
	switch {
	case err == nil && instance.Running:
		run.upSince = now()
		r.Restart, r.Message, r.Attempts = "", "", 0
	case err == nil, errors.Is(err, serve.ErrNotFound):
		l.lost(r, "it was gone when its program was to be restarted")
	case errors.Is(err, serve.ErrInvalid), errors.Is(err, serve.ErrUnauthorized), r.Attempts+1 >= launchAttempts:
		r.Attempts++
		l.end(r, serve.CauseProvision, "Its program could not be restarted: "+err.Error())
	default:
		r.Attempts++
		r.Message = err.Error()
		run.notBefore = now().Add(backoff(r.Attempts, time.Second, time.Minute))
		l.note(serve.EventError, id, "Restart %d of %d of replica %d failed: %v", r.Attempts, launchAttempts, id, err)
	}
}
