// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "time"

// SetCapacity has a pool hold so many instances at most. Those that are there already
// stay. What was said of a pool later counts more.
func (g *GCP) SetCapacity(p Pool, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.compute.limits.Set(p, most)
}

// Exhaust leaves nothing more to be had of a pool.
func (g *GCP) Exhaust(p Pool) { g.SetCapacity(p, 0) }

// Refill lets a pool hold as many as are asked for.
func (g *GCP) Refill(p Pool) { g.SetCapacity(p, 1<<30) }

// Preempt has Compute Engine take a spot machine back. Its metadata tell of it at once,
// and after the notice, which is no longer than the instance has asked for, it is asked to
// shut down. Like all that is done to an instance, it reports whether there is one.
func (g *GCP) Preempt(name string, notice time.Duration) bool {
	return g.alter(name, func(i *instance, now time.Time) {
		i.preempted = now
		i.tell()
		if notice = min(notice, i.plan.notice); notice <= 0 {
			g.takeBack(i, now)
			return
		}
		i.unplanned()
		if !g.options.Machines {
			g.takeBack(i, now.Add(notice))
			return
		}
		i.timer = time.AfterFunc(notice, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if now := time.Now(); i.live(now) {
				g.takeBack(i, now)
			}
		})
	})
}

// takeBack ends a spot machine as its owner wants it.
func (g *GCP) takeBack(i *instance, now time.Time) {
	const kind = "compute.instances.preempted"
	o := g.begin(system, kind, i.path(), i.id, now, time.Time{})
	becomes := terminated
	if i.plan.action == "DELETE" {
		becomes = gone
	}
	g.halt(i, now, becomes, kind, o)
}

// Fail ends an instance at once, as if the hardware below it had failed: nothing on it
// is told. It is started again if it is to be.
func (g *GCP) Fail(name string) bool { return g.alter(name, g.fail) }

// Unplug freezes all that an instance runs. Compute Engine goes on to describe it as
// running, but nothing on it answers any more.
func (g *GCP) Unplug(name string) bool {
	return g.alter(name, func(i *instance, _ time.Time) {
		i.unplugged = true
		if i.machine != nil {
			i.machine.Freeze()
		}
	})
}

// Shutdown does what `shutdown -h now` does on an instance: it can be started again.
func (g *GCP) Shutdown(name string) bool {
	return g.alter(name, func(i *instance, now time.Time) {
		const kind = "compute.instances.guestTerminate"
		g.halt(i, now, terminated, kind, g.begin(system, kind, i.path(), i.id, now, time.Time{}))
	})
}

// alter does something to an instance that runs, and reports whether there was one.
func (g *GCP) alter(name string, do func(*instance, time.Time)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	i := find(g.compute.instances, func(i *instance) bool { return i.plan.name == name && i.live(now) })
	if i == nil {
		return false
	}
	do(i, now)
	return true
}

// Down has all of the cloud be lost: whoever asks it anything is told that it is not
// available, and every instance ends as if its hardware had failed. When it is there
// again, instances that are to be started again are.
func (g *GCP) Down(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	was := g.faults.Down
	g.faults.Down = down
	for _, i := range g.compute.instances {
		switch {
		case down && !was && i.live(now):
			g.fail(i, now)
		case !down && was && i.plan.restarts && i.state(now) == terminated && i.reason == "compute.instances.hostError" && i.machine == nil:
			g.begin(system, "compute.instances.automaticRestart", i.path(), i.id, now, now)
			g.boot(i, now)
		}
	}
}

// LoseZone has Compute Engine know nothing of a zone, or again know of it: what is asked
// of the zone itself is not available, and lists over all zones say so and lack what it
// has. Instances there go on as before.
func (g *GCP) LoseZone(zone string, lost bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost[zone] = lost
}

func (g *GCP) isDown() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults.Down
}
