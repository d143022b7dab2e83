// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import "time"

// SetCapacity has a pool hold so many instances at most. Those that are there
// already stay. What was said of a pool later counts more.
func (a *AWS) SetCapacity(p Pool, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		r.limits.Set(p, most)
	}
}

// Exhaust leaves nothing more to be had of a pool.
func (a *AWS) Exhaust(p Pool) { a.SetCapacity(p, 0) }

// Refill lets a pool hold as many as are asked for.
func (a *AWS) Refill(p Pool) { a.SetCapacity(p, 1<<30) }

// SetQuota says how many vCPUs of a class of types the account may have in a
// market of a region.
func (a *AWS) SetQuota(region, class, market string, vcpus int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.regions[region].quotas[class+" "+market] = vcpus
}

// SetPrice changes what a pool of spot instances costs from now on, in US
// dollars an hour. Whoever would pay less keeps what they have: EC2 takes
// machines back for want of capacity, of which Interrupt is the play.
func (a *AWS) SetPrice(zone, kind string, usd float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		key := zone + " " + kind
		if history := r.prices[key]; history != nil {
			r.prices[key] = append(history, price{from: time.Now(), usd: usd})
		}
	}
}

// Interrupt has EC2 take an instance back after notice, which its metadata tells
// of at once. EC2 gives two minutes, or none. Like all that is done to an
// instance, it reports whether there is one.
func (a *AWS) Interrupt(id string, notice time.Duration) bool {
	return a.change(id, func(i *instance, now time.Time) {
		i.interrupt = now.Add(notice)
		i.end(a, i.interrupt, spotEnds())
	})
}

// Rebalance has EC2 say that an instance is more likely to be taken back than it
// was.
func (a *AWS) Rebalance(id string) bool {
	return a.change(id, func(i *instance, now time.Time) { i.rebalance = now })
}

// Kill ends an instance at once, as if the hardware below it had failed: nothing
// on it is told.
func (a *AWS) Kill(id string) bool {
	return a.change(id, a.fail)
}

func (a *AWS) fail(i *instance, now time.Time) {
	i.unplanned()
	i.reason, i.ends, i.gone = failedEnds(), now, now
	if i.machine != nil {
		i.machine.Kill()
	}
}

// Down has all of AWS be lost: whoever asks it anything is told that it is not
// available, and every instance ends as if its hardware had failed.
func (a *AWS) Down(down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if down && !a.faults.Down {
		now := time.Now()
		for _, r := range a.regions {
			for _, i := range r.instances {
				if i.held(now) {
					a.fail(i, now)
				}
			}
		}
	}
	a.faults.Down = down
}

// Unplug freezes all that an instance runs. EC2 goes on to describe it as
// running, but nothing on it answers any more.
func (a *AWS) Unplug(id string) bool {
	return a.change(id, func(i *instance, now time.Time) {
		i.unplugged, i.cut = true, now
		if i.machine != nil {
			i.machine.Freeze()
		}
	})
}

// Shutdown does what `shutdown -h now` does on an instance: it is terminated, or
// stopped if its launch has said nothing else.
func (a *AWS) Shutdown(id string) bool {
	return a.change(id, func(i *instance, now time.Time) {
		if i.plan.stopsOnHalt {
			i.stops = now
			i.halt(a)
			return
		}
		i.end(a, now, selfEnds())
	})
}

// change does something to an instance, and reports whether there was one.
func (a *AWS) change(id string, do func(*instance, time.Time)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		if i := r.instance(id); i != nil && i.held(time.Now()) {
			do(i, time.Now())
			return true
		}
	}
	return false
}
