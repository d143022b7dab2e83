// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// How often the load is looked at, and how often while there is no replica.
const (
	tick     = 20 * time.Second
	idleTick = 5 * time.Second
)

// Load is what autoscaling is waiting for: the load must ask for another number
// of replicas without a break before it gets it.
type Load struct {
	// Above and Below are since when the load has asked for more, or for fewer,
	// replicas than the target; zero while it does not.
	Above time.Time `json:"above,omitzero"`
	Below time.Time `json:"below,omitzero"`
	// Seen is when the load was last looked at.
	Seen time.Time `json:"seen,omitzero"`
	// Resumed is when it was looked at again after a pause, as after a restart;
	// zero if there was none.
	Resumed time.Time `json:"resumed,omitzero"`
}

// retarget decides how many replicas there should be.
func (e *evaluation) retarget() {
	p, m := e.policy, &e.memory
	switch {
	case m.Revision == 0:
		m.Target = p.MinReplicas
	case m.Revision != e.in.Revision:
		// An update is no reason to take from a service what it needs: the target
		// follows the load down later, by the usual rule.
		m.Target = max(m.Target, e.computed())
		m.Load = Load{Seen: m.Load.Seen, Resumed: m.Load.Resumed}
	}
	m.Target = e.within(m.Target)
	if !p.Scales() {
		m.Target, m.Load = p.MinReplicas, Load{}
	} else {
		e.follow()
		e.wake(e.now.Add(e.pause()))
	}
	if m.Target > 0 {
		e.final = m.Target + p.NumOverprovision
	}
}

// pause is when to look at the load again.
func (e *evaluation) pause() time.Duration {
	if e.memory.Target == 0 {
		return idleTick
	}
	return tick
}

// within gives the nearest number of replicas that the policy allows.
func (e *evaluation) within(n int) int {
	return min(max(n, e.policy.MinReplicas), e.policy.MaxReplicas)
}

// follow lets the target follow the load.
//
// SkyServe looks every 20 seconds and wants floor(delay / 20 s) evaluations in a
// row that ask for more (or fewer), the first included. So at a delay of 300 s
// the target changes with the 15th, 280 s after the first, and at a delay below
// 40 s with the first. Here the 280 s are measured, however many evaluations
// there were meanwhile.
func (e *evaluation) follow() {
	m := &e.memory
	m.Load = m.Load.seen(e.now)
	l, computed := &m.Load, e.computed()
	switch {
	case m.Target == 0:
		m.Target = computed
	case computed > m.Target:
		l.Below = time.Time{}
		if e.held(&l.Above, hold(e.policy.UpscaleDelaySeconds)) {
			m.Target, l.Above = computed, time.Time{}
		}
	case computed < m.Target && !e.lately(l.Resumed, Window):
		l.Above = time.Time{}
		if e.held(&l.Below, hold(e.policy.DownscaleDelaySeconds)) {
			m.Target, l.Below = computed, time.Time{}
		}
	default:
		l.Above, l.Below = time.Time{}, time.Time{}
	}
}

// held reports whether something has been so for as long as wanted, and notes
// since when it is.
func (e *evaluation) held(since *time.Time, wanted time.Duration) bool {
	if since.IsZero() {
		*since = e.now
	}
	e.wake(since.Add(wanted))
	return e.now.Sub(*since) >= wanted
}

// seen notes that the load is looked at. After a pause nobody knows what it was
// meanwhile, so waiting begins anew; and as the requests of the pause were not
// counted, the load seems low until a whole [Window] has passed.
func (l Load) seen(now time.Time) Load {
	if !l.Seen.IsZero() && (now.Sub(l.Seen) > Window || now.Before(l.Seen)) {
		l = Load{Resumed: now}
	}
	l.Seen = now
	return l
}

// hold is for how long the load must ask for another target, see follow.
func hold(delaySeconds float64) time.Duration {
	ticks := math.Floor(delaySeconds / tick.Seconds())
	return time.Duration(max(0, ticks-1)) * tick
}

// computed is how many replicas the load of the last [Window] asks for, within
// the limits of the policy.
func (e *evaluation) computed() int {
	n := e.policy.MinReplicas
	switch q := e.policy.TargetQPSPerReplica; {
	case q == nil:
	case q.PerAccelerator != nil:
		n = e.neededOfKinds(q)
	default:
		n = e.needed(float64(e.in.Requests), q.Each)
	}
	if each := e.policy.TargetConcurrencyPerReplica; each > 0 {
		n = max(n, e.neededAtOnce(each))
	}
	if m := e.policy.ExternalMetric; m != nil {
		n = max(n, e.neededFor(*m))
	}
	return e.within(n)
}

// neededFor is how many replicas an external metric asks for. While it is not known
// nobody is ended for it, and nobody launched.
func (e *evaluation) neededFor(m serve.ExternalMetric) int {
	if e.in.Metric == nil {
		return e.memory.Target
	}
	n := math.Ceil(*e.in.Metric/m.TargetPerReplica - 1e-9)
	return int(min(max(n, 0), float64(e.policy.MaxReplicas)))
}

// neededAtOnce is how many replicas it takes for the requests under way, when each
// is meant to have so many: one at least, if any has come.
func (e *evaluation) neededAtOnce(each float64) int {
	n := math.Ceil(e.in.Concurrency/each - 1e-9)
	if e.in.Requests > 0 || e.in.Concurrency > 0 {
		n = max(n, 1)
	}
	return int(min(n, float64(e.policy.MaxReplicas)))
}

// needed is how many replicas of the given strength it takes for a number of
// requests per [Window], at most what the policy allows.
func (e *evaluation) needed(requests, qps float64) int {
	// Multiplying first keeps whole numbers whole: 66 requests at 0.1 per second
	// are 66/6 = 11 replicas, but (66/60)/0.1 is a little over 11. The rest of
	// such errors is far below the tolerance, and one request is far above it.
	n := math.Ceil(requests/(Window.Seconds()*qps) - 1e-9)
	return int(min(max(n, 0), float64(e.policy.MaxReplicas)))
}

// neededOfKinds is how many replicas the load asks for when they differ in
// strength. If those there are cannot carry it, strong ones are added. If they
// can, as many are enough as would carry it if the others were removed.
func (e *evaluation) neededOfKinds(q *serve.QPS) int {
	rate := float64(e.in.Requests) / Window.Seconds()
	if rate == 0 {
		return 0
	}
	replicas, carried := e.lasting(), 0.0
	for i, r := range replicas {
		carried += Weight(q, r.Offer.Accelerators)
		if carried > rate {
			return i + 1
		}
	}
	strongest := 1.0
	if len(q.PerAccelerator) > 0 {
		strongest = slices.Max(slices.Collect(maps.Values(q.PerAccelerator)))
	}
	return len(replicas) + e.needed((rate-carried)*Window.Seconds(), strongest)
}

// lasting gives the replicas of the newest revision in the order in which a
// growing target would keep them: with fallback the base and then spot replicas.
// What stands in for spot replicas is left out: were it counted, the target
// would fall as soon as it is there, and rise again as soon as it goes.
func (e *evaluation) lasting() []*serve.Replica {
	last := func(a, b *serve.Replica) int { return e.compare(b, a) }
	if !e.policy.UsesFallback() {
		return slices.SortedFunc(slices.Values(e.newest), last)
	}
	spot, onDemand := byMarket(e.newest)
	slices.SortFunc(spot, last)
	slices.SortFunc(onDemand, last)
	return append(onDemand[:min(e.policy.BaseOndemandFallbackReplicas, len(onDemand))], spot...)
}

// Weight is how many requests per second a replica with the given accelerators
// ("NAME:count", or empty) is meant to take, where q tells replicas apart; 1
// where it does not. It is the strength of a replica both for autoscaling and
// for balancing: the number of just these accelerators, else that of accelerators
// of the same name, else the least there is.
func Weight(q *serve.QPS, accelerators string) float64 {
	if q == nil || len(q.PerAccelerator) == 0 {
		return 1
	}
	name := kind(accelerators)
	for _, key := range []string{accelerators, name} {
		if qps, ok := q.PerAccelerator[key]; ok {
			return qps
		}
	}
	// The first in order of the alphabet, as chance must not decide.
	for _, key := range slices.Sorted(maps.Keys(q.PerAccelerator)) {
		if kind(key) == name {
			return q.PerAccelerator[key]
		}
	}
	return slices.Min(slices.Collect(maps.Values(q.PerAccelerator)))
}

// kind is the name in "NAME:count".
func kind(accelerators string) string {
	name, _, _ := strings.Cut(accelerators, ":")
	return name
}
