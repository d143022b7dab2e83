// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package policy decides. [Plan] is a pure function from what is known at one
// moment to what should be done: it reads no clock, draws no random number,
// starts nothing and remembers nothing. What it must remember from one call to
// the next is a value, [Memory], that it returns and its caller stores.
//
// One call answers five questions in this order, a file for each: which running
// replicas serve the newest revision as they are (rollout.go), how many there
// should be (target.go), how many of them spot and how many on-demand (mix.go),
// which of them go (removal.go), and where the new ones come from
// (placement.go). What is to go may go on with another program instead (restart.go).
// What went wrong before can hold back the answer (failure.go,
// pool.go).
//
// The arithmetic is SkyServe's, measured in time instead of in ticks, so that
// the function may be called whenever something happens.
package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Window is the time over which requests are counted to get their rate.
const Window = 60 * time.Second

// Input is what is known at one moment.
type Input struct {
	// Spec is the newest accepted spec, and Revision its number.
	Spec     serve.Spec
	Revision int64
	// Replicas are all records, those of terminal replicas and of old revisions
	// included, in ascending order of id.
	Replicas []serve.Replica
	// Offers is everything that could be had in the allowed locations, in both
	// markets.
	Offers []serve.Offer
	// Requests is how many client requests have arrived within the last [Window].
	Requests int
	// Concurrency is how many client requests were under way, as the mean of the
	// last [Window], those that waited for a replica included.
	Concurrency float64
	// Metric is the external metric, nil while it is not known.
	Metric *float64
	// Good is the newest revision that has proven itself, 0 before there is one.
	Good int64
	// Restarts names the clouds whose machines can be given another task.
	Restarts []string
	// NextID is the id of the next replica to be made.
	NextID int64
	// Memory is what the previous call returned; its zero value begins.
	Memory Memory
}

// Output is what should be done.
type Output struct {
	Decisions []serve.Decision
	Memory    Memory
	// Target is how many replicas autoscaling wants, without overprovision.
	Target int
	// Next is the earliest moment at which Plan could decide something new
	// although nothing was observed in between; zero means never.
	Next time.Time
	// Good says that the newest revision has proven itself.
	Good bool
	// Setback says why the newest revision should be given up for the good one.
	// There are no decisions then: they are for what comes after it.
	Setback Setback
	// Hold says why nothing is launched although replicas are missing, as a
	// sentence for the service's status; empty when nothing holds.
	Hold string
}

// Plan decides what should be done now. Its decisions come in the order in
// which they are to be carried out: relabelling, offers for those who wait,
// launches of spot replicas, of on-demand replicas and of spares, restarts, removals. In does
// not change and shares nothing with the result that could.
func Plan(now time.Time, in Input) Output {
	e := begin(now, in)
	e.recall()
	e.retarget()
	e.activate()
	e.bake()
	if e.out.Setback = e.setback(); e.out.Setback.Reason != "" {
		e.out.Decisions = nil
		return e.finish()
	}
	if why := e.frozen(); why != "" {
		e.out.Hold = why
		e.retry(e.old)
		return e.finish()
	}
	demands := e.mix()
	ends := e.removals(demands)
	e.limit()
	again, ends := e.inPlace(demands, ends)
	e.retry(staying(slices.Concat(e.old, e.newest), ends))
	for _, d := range demands {
		e.launch(d)
	}
	for _, d := range demands {
		e.launchSpares(d)
	}
	for _, r := range again {
		e.decide(serve.Decision{
			Action: serve.Restart, ReplicaID: r.replica.ID, Revision: in.Revision, Market: r.replica.Market, Reason: r.why,
		})
	}
	for _, r := range ends {
		e.decide(serve.Decision{
			Action: serve.Terminate, ReplicaID: r.replica.ID, Market: r.replica.Market,
			Cause: r.cause, Reason: r.why,
		})
	}
	return e.finish()
}

// evaluation is one call of Plan under way.
type evaluation struct {
	now    time.Time
	in     Input
	policy serve.ReplicaPolicy
	memory Memory
	// newest are the nonterminal replicas that count as ones of the newest
	// revision, old the other nonterminal ones.
	newest, old []*serve.Replica
	// final is the target with overprovision.
	final int
	// spread is where replicas are, those launched by this evaluation included.
	spread spread
	// sold is what can be had in each market, once that was asked.
	sold map[serve.Market][]*candidate
	// none is the choice in a market of which nothing is to be had any more.
	none map[serve.Market]choice
	// launched counts the launches of this evaluation, and room is how many there
	// may be where a rolling update is bounded.
	launched, room int
	bounded        bool
	// doubt is for how long a pool is doubted, see doubting.
	doubt time.Duration
	out   Output
}

// begin sorts what is known. The time is brought into the form it has after a
// journey through JSON, as it will be stored.
func begin(now time.Time, in Input) *evaluation {
	e := &evaluation{
		now: now.UTC().Round(0), in: in,
		memory: in.Memory,
		spread: spreadOf(in.Replicas), none: map[serve.Market]choice{},
	}
	var next time.Time
	e.policy, next = in.Spec.ReplicaPolicy.At(now)
	e.wake(next)
	for i := range in.Replicas {
		r := &e.in.Replicas[i]
		if r.Status().IsTerminal() {
			continue
		}
		if r.Revision == in.Revision {
			e.newest = append(e.newest, r)
		} else {
			e.old = append(e.old, r)
		}
	}
	e.relabel()
	return e
}

// decide takes a decision.
func (e *evaluation) decide(d serve.Decision) {
	e.out.Decisions = append(e.out.Decisions, d)
}

// wake asks to be called again at the given time, if it is still to come.
func (e *evaluation) wake(at time.Time) {
	if at.After(e.now) && (e.out.Next.IsZero() || at.Before(e.out.Next)) {
		e.out.Next = at
	}
}

// launch decides the launches that fill a demand.
func (e *evaluation) launch(d demand) {
	for have := len(d.live); have < d.want; have++ {
		why := fmt.Sprintf("%d of %d wanted %s replicas %s there: %s", have, d.want, word(d.market), are(have), d.why)
		if !e.launchOne(d.market, e.place, why) {
			return
		}
	}
}

// launchOne decides the launch of one replica, and reports whether more may follow.
func (e *evaluation) launchOne(market serve.Market, place func(serve.Market) choice, why string) bool {
	if hold := e.mayNotLaunch(); hold != "" {
		e.out.Hold = hold
		return false
	}
	c, id := place(market), e.in.NextID+int64(e.launched)
	if c.offer.IsZero() {
		why += "; it waits, as " + c.lack
		e.waits(id, c.lack)
	}
	e.decide(serve.Decision{
		Action: serve.Launch, ReplicaID: id, Revision: e.in.Revision,
		Market: market, Offer: c.offer, Reason: why, Rejected: c.rejected,
	})
	e.launched++
	return true
}

// Most is how many replicas of one revision there may be at any moment, the
// bound that is checked again before each launch: each replica and its stand-in,
// what is overprovisioned, and the spares of rough times.
func Most(p serve.ReplicaPolicy) int {
	most := 2*p.Most() + p.NumOverprovision
	if p.DynamicOndemandFallback {
		most += spares(p.Most() + p.NumOverprovision)
	}
	return most
}

// mayNotLaunch says why no replica may be launched now, empty when one may.
func (e *evaluation) mayNotLaunch() string {
	if why := e.backingOff(); why != "" {
		return why
	}
	if e.bounded && e.launched >= e.room {
		return fmt.Sprintf("The update to revision %d goes on when replicas that are on their way are ready, and those that end are gone.", e.in.Revision)
	}
	// The mix never asks for as much. It is checked again here, where a fault
	// costs money; after an update to a lower maximum, launches wait for removals
	// because of it.
	if live, most := len(e.newest)+e.launched, Most(e.policy); live >= most {
		return fmt.Sprintf("%d replicas of revision %d are there, and at most %d may be: nothing is launched before some are gone.", live, e.in.Revision, most)
	}
	return ""
}

// retry gives waiting replicas an offer where there is one again.
func (e *evaluation) retry(replicas []*serve.Replica) {
	for _, r := range replicas {
		if r.Launch != serve.LaunchWaiting {
			continue
		}
		c := e.placeAgain(r)
		if c.offer.IsZero() {
			e.waits(r.ID, c.lack)
			continue
		}
		e.decide(serve.Decision{
			Action: serve.Retry, ReplicaID: r.ID, Revision: r.Revision, Market: r.Market, Offer: c.offer,
			Reason:   fmt.Sprintf("replica %d waits for %s machine, and %s may have one", r.ID, article(r.Market), c.offer.Location),
			Rejected: c.rejected,
		})
	}
}

// waits says that a replica waits for an offer, if nothing more important is
// said already.
func (e *evaluation) waits(id int64, lack string) {
	if e.out.Hold == "" {
		e.out.Hold = fmt.Sprintf("Replica %d waits for a machine, as %s.", id, lack)
	}
}

// finish gives the result.
func (e *evaluation) finish() Output {
	e.memory.Revision = e.in.Revision
	e.out.Memory, e.out.Target = e.memory, e.memory.Target
	return e.out
}
