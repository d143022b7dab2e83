// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"slices"
	"time"
)

// boot has an instance come to run from a moment on.
func (g *GCP) boot(i *instance, now time.Time) {
	i.started, i.preempted, i.reason = now, time.Time{}, ""
	i.turns(now, turn{now, provisioning}, turn{now.Add(g.options.Pending / 2), staging}, turn{now.Add(g.options.Pending), running})
	if g.options.Machines {
		g.start(i)
	}
}

// halt has an instance stop from now on, by an operation. It is gone then, or can be
// started again.
func (g *GCP) halt(i *instance, now time.Time, becomes, why string, o *operation) {
	i.unplanned()
	i.reason = why
	over := func(at time.Time) {
		i.stopped = at
		o.end(at)
	}
	if i.state(now) == terminated {
		i.turns(now, turn{now, becomes})
		over(now)
		return
	}
	if i.machine == nil {
		at := now.Add(g.options.Stopping)
		i.turns(now, turn{now, stopping}, turn{at, becomes})
		over(at)
		return
	}
	i.turns(now, turn{now, stopping})
	i.then = func(at time.Time) {
		i.turns(at, turn{at, becomes})
		over(at)
	}
	i.machine.Stop(g.options.Stopping)
}

// fail ends an instance at once, as if the hardware below it had failed. Compute Engine
// starts it again elsewhere if it is to.
func (g *GCP) fail(i *instance, now time.Time) {
	i.unplanned()
	o := g.begin(system, "compute.instances.hostError", i.path(), i.id, now, now)
	i.reason, i.stopped = o.kind, now
	i.turns(now, turn{now, terminated})
	after := func(at time.Time) {
		switch {
		case i.plan.market == Spot && i.plan.action == "DELETE":
			i.turns(at, turn{at, gone})
		case i.plan.restarts && !g.faults.Down:
			g.begin(system, "compute.instances.automaticRestart", i.path(), i.id, at, at)
			g.boot(i, at)
		}
	}
	if i.machine == nil {
		after(now)
		return
	}
	i.then = after
	i.machine.Kill()
}

// system is who does what nobody has asked for.
const system = "system"

// unplanned takes back an end that has not come yet.
func (i *instance) unplanned() {
	if i.timer != nil {
		i.timer.Stop()
		i.timer = nil
	}
}

func deleteInstance(c *call, _ fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	if i.plan.protected {
		return nil, refusal(412, "conditionNotMet", "Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. "+
			"To delete it, first turn off deletion protection.'.")
	}
	return c.halted(i, gone)
}

func stopInstance(c *call, _ fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	return c.halted(i, terminated)
}

// halted has an instance stop because it was asked for.
func (c *call) halted(i *instance, becomes string) (*operation, error) {
	o := c.begin(i.path(), i.id, time.Time{})
	if state := i.state(c.now); state == stopping {
		// It is ending already: that it is to be gone then is said in any case.
		also(i, becomes, o, c.now)
		return o, nil
	}
	c.halt(i, c.now, becomes, o.kind, o)
	return o, nil
}

// also has an instance that stops become something else then.
func also(i *instance, becomes string, o *operation, now time.Time) {
	if then := i.then; then != nil {
		i.then = func(at time.Time) {
			then(at)
			if becomes == gone && i.held(at) {
				i.turns(at, turn{at, gone})
			}
			o.end(at)
		}
		return
	}
	at := slices.MaxFunc(i.course, func(a, b turn) int { return a.at.Compare(b.at) }).at
	if becomes == gone {
		i.turns(now, turn{at, gone})
	}
	o.end(at)
}

func startInstance(c *call, _ fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	ends := c.now.Add(c.options.Pending)
	switch i.state(c.now) {
	case terminated:
	case stopping:
		return nil, refusal(400, "resourceNotReady", "The resource '%s' is not ready", i.path())
	default:
		return c.begin(i.path(), i.id, c.now), nil // which it is already
	}
	why := c.overQuota(i.plan)
	if why == nil && c.room(i.plan) < 1 {
		why = c.exhausted(i.plan)
	}
	o := c.begin(i.path(), i.id, ends)
	if why != nil {
		o.failure = why
		return o, nil
	}
	c.boot(i, c.now)
	return o, nil
}

// resetInstance starts an instance again with its power cut.
func resetInstance(c *call, _ fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	if i.state(c.now) != running {
		return nil, refusal(400, "resourceNotReady", "The resource '%s' is not ready", i.path())
	}
	o := c.begin(i.path(), i.id, time.Time{})
	again := func(at time.Time) {
		c.GCP.boot(i, at)
		o.end(at)
	}
	if i.machine == nil {
		again(c.now)
		return o, nil
	}
	i.then = again
	i.machine.Kill()
	return o, nil
}
