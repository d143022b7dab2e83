// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// demand is how many replicas of a market there should be, of the newest
// revision.
type demand struct {
	market serve.Market
	// live are those there are.
	live []*serve.Replica
	// Up to want replicas are launched, down to keep they are removed. The two
	// differ where replicas are left that would not be launched any more, and
	// where spares are.
	want, keep int
	// spares is how many are wanted beyond that, so that the loss of all replicas
	// in one pool, at risk, leaves as many as wanted.
	spares int
	atRisk string
	// why is where the numbers come from, for the reasons of decisions.
	why string
}

// mix divides the target among the markets: spot first, as spot is launched first.
func (e *evaluation) mix() []demand {
	spot, onDemand := demand{market: serve.Spot}, demand{market: serve.OnDemand}
	spot.live, onDemand.live = byMarket(e.newest)
	switch {
	case e.policy.UsesFallback():
		e.fallback(&spot, &onDemand)
	case e.in.Spec.Resources.Entries()[0].Spot():
		e.plain(&spot, &onDemand)
	default:
		e.plain(&onDemand, &spot)
	}
	return []demand{spot, onDemand}
}

// fallback is SkyServe's mixture of markets. With the target g, o overprovisioned
// replicas and b of the base:
//
//	spot      = g + o - b
//	on-demand = b, and with dynamic fallback one for each spot replica that is
//	            not ready, but never more than g
//
// Where there are more in the base than in the target, SkyServe stops deciding
// altogether; here the base gives way.
//
// So for g = 3 and b = 1, dynamic: at first 2 spot and min(1 + 2, 3) = 3
// on-demand replicas are launched; when one spot replica is ready, 1 + 1
// on-demand ones stay; when both are, the base alone.
func (e *evaluation) fallback(spot, onDemand *demand) {
	g, o, b := e.memory.Target, e.policy.NumOverprovision, e.policy.BaseOndemandFallbackReplicas
	spot.want = e.spotWanted()
	spot.spares, spot.atRisk = e.exposure(spot.live)
	spot.keep = spot.want + max(0, min(spot.spares, offered(spot.live)-spot.want))
	spot.why = fmt.Sprintf("the target is %d%s, of which %d on-demand", g, plus(o), min(b, g))

	onDemand.want = min(b, g)
	onDemand.why = fmt.Sprintf("the target is %d and %d of it on-demand", g, onDemand.want)
	if e.policy.DynamicOndemandFallback {
		ready := e.standing(spot.live)
		missing := max(0, spot.want-ready)
		onDemand.want = min(b+missing, g)
		if missing > 0 {
			onDemand.why += fmt.Sprintf(", and with %d of %d spot replicas ready, on-demand stands in for %d", ready, spot.want, max(0, onDemand.want-b))
		} else {
			onDemand.why += fmt.Sprintf(", and all %d spot replicas are ready", spot.want)
		}
	}
	onDemand.keep = onDemand.want
}

// plain wants all replicas in one market. A policy that used the other one
// before may have left some there; they stay for as long as they stand in for
// replicas that are not ready yet.
func (e *evaluation) plain(market, other *demand) {
	market.want, market.keep = e.final, e.final
	market.why = fmt.Sprintf("the target is %d%s", e.memory.Target, plus(e.policy.NumOverprovision))
	ready := countReady(market.live)
	other.keep = max(0, e.final-ready)
	other.why = fmt.Sprintf("all replicas are to be %s, and %d of %d of these are ready", word(market.market), ready, e.final)
}

// exposure is how many spot replicas are in the unproven pool that holds most of
// them, and which that is. It is bounded by what a well-spread service has there.
func (e *evaluation) exposure(spot []*serve.Replica) (n int, pool string) {
	if e.doubt == 0 {
		return 0, ""
	}
	held := map[*pooled]int{}
	for _, r := range spot {
		if !r.Offer.IsZero() {
			held[e.spread.pool(r.Offer)]++
		}
	}
	for p, count := range held {
		// Of equals the first by name, as chance must not decide.
		if e.unproven(e.memory.Pools[p.key]) && (count > n || count == n && p.key < pool) {
			n, pool = count, p.key
		}
	}
	return min(n, spares(e.spotWanted())), pool
}

// spares is how many spares there are at most for so many replicas: enough for
// the half that may be in one pool.
func spares(wanted int) int { return (wanted + 1) / 2 }

// launchSpares decides the launches of spares, as far as other pools have room.
func (e *evaluation) launchSpares(d demand) {
	for have := max(len(d.live), d.want); have < d.want+d.spares; have++ {
		c := e.placeSpare(d.atRisk)
		if c.offer.IsZero() {
			return
		}
		why := fmt.Sprintf("spot machines are being lost, and the pool %s has not proven itself yet: until it has, %s %s kept elsewhere as spare", d.atRisk, replicas(d.spares), are(d.spares))
		if !e.launchOne(d.market, func(serve.Market) choice { return c }, why) {
			return
		}
	}
}

// offered counts the replicas that do not wait for an offer.
func offered(replicas []*serve.Replica) int {
	n := 0
	for _, r := range replicas {
		n += countIf(r.Launch != serve.LaunchWaiting)
	}
	return n
}

// standing counts the spot replicas that need nobody to stand in for them: the
// ready ones, but for those in a pool that has just lost others, and those that
// have failed their probes only for so short a time that it may be nothing.
func (e *evaluation) standing(spot []*serve.Replica) int {
	shaken := map[string]bool{}
	for key, p := range e.memory.Pools {
		if e.shaken(p) {
			shaken[key] = true
		}
	}
	n := 0
	for _, r := range spot {
		if len(shaken) > 0 && shaken[e.spread.pool(r.Offer).key] {
			continue
		}
		n += countIf(r.Status() == serve.Ready)
		if r.Status() != serve.NotReady || r.FailingSince.IsZero() {
			continue
		}
		lost := r.FailingSince.Add(serve.Seconds(e.policy.DynamicOndemandFallbackDelaySeconds))
		if e.now.Before(lost) {
			n++
			e.wake(lost)
		}
	}
	return n
}

// byMarket divides replicas by their market.
func byMarket(replicas []*serve.Replica) (spot, onDemand []*serve.Replica) {
	for _, r := range replicas {
		if r.Market == serve.Spot {
			spot = append(spot, r)
		} else {
			onDemand = append(onDemand, r)
		}
	}
	return spot, onDemand
}

func countReady(replicas []*serve.Replica) int {
	n := 0
	for _, r := range replicas {
		n += countIf(r.Status() == serve.Ready)
	}
	return n
}

// countIf gives 1 for what is so, and 0 for what is not.
func countIf(so bool) int {
	if so {
		return 1
	}
	return 0
}
