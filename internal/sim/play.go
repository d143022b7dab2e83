// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Evaluation is one evaluation of the policy in a scenario: what had happened,
// what was decided, and the table of replicas after that.
type Evaluation struct {
	// At is the time since the beginning, in seconds.
	At float64 `json:"at"`
	// Events are what has happened since the evaluation before.
	Events []string `json:"events,omitempty"`
	// Target is how many replicas autoscaling wants, Ready of Total what the
	// REPLICAS column shows.
	Target int `json:"target"`
	Ready  int `json:"ready"`
	Total  int `json:"total"`
	// Hold says why nothing is launched although replicas are missing.
	Hold      string     `json:"hold,omitempty"`
	Decisions []Decision `json:"decisions"`
	Replicas  []Row      `json:"replicas"`
}

// Decision is something the policy decided.
type Decision struct {
	Action    serve.Action `json:"action"`
	Market    serve.Market `json:"market"`
	ReplicaID int64        `json:"replica_id"`
	// Location is where a machine is asked for, as cloud/region/zone; empty where
	// none is, or where there is none to be had.
	Location string `json:"location,omitempty"`
	Reason   string `json:"reason"`
}

// Row is a replica in the table.
type Row struct {
	ID       int64        `json:"id"`
	Revision int64        `json:"revision"`
	Market   serve.Market `json:"market"`
	Status   serve.Status `json:"status"`
	Location string       `json:"location,omitempty"`
	// Price is that of its machine, in US dollars per hour.
	Price float64 `json:"price,omitempty"`
}

// Play lets a scenario happen and calls tell for every evaluation of the policy.
// An error says what could not happen as it is written.
func Play(s *Scenario, tell func(Evaluation)) error {
	p := newPlaying(s, tell)
	for now := p.start; ; {
		for len(p.coming) > 0 && !p.start.Add(p.coming[0].at).After(now) {
			h := p.coming[0]
			p.coming = p.coming[1:]
			p.happened = append(p.happened, h.say)
			if err := h.do(p, now); err != nil {
				return fmt.Errorf("%s at %s: %w", h.say, h.at, err)
			}
			p.dirty = true
		}
		if err := p.settle(now); err != nil {
			return err
		}
		next := p.soonest()
		if next.IsZero() || next.Sub(p.start) > s.until {
			return nil
		}
		now = next
	}
}

// playing is a scenario under way.
type playing struct {
	*fleet
	start  time.Time
	coming []happening
	places []*place
	notice time.Duration
	// loads are the rates of requests there were, and since when.
	loads []loadSince
	// measured is the external metric, nil before it is known.
	measured *float64
	// happened is what has happened since the last evaluation.
	happened []string
}

type loadSince struct {
	at    time.Time
	qps   float64
	takes time.Duration // of one request
}

func newPlaying(s *Scenario, tell func(Evaluation)) *playing {
	p := &playing{start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), coming: s.events, notice: s.notice}
	var offers []serve.Offer
	for _, place := range s.places {
		fresh := *place
		fresh.capacity, fresh.held = maps.Clone(place.capacity), map[serve.Market]int{}
		p.places = append(p.places, &fresh)
		offers = append(offers, place.offers...)
	}
	p.fleet = newFleet(s.spec, offers, s.pace)
	p.requests, p.concurrency = p.requestsAt, p.concurrencyAt
	p.metric = func() *float64 { return p.measured }
	p.grant = func(o serve.Offer) bool {
		place := p.at(o.Location)
		return place.held[o.Market] < place.capacity[o.Market]
	}
	p.granted = func(r serve.Replica) { p.at(r.Offer.Location).held[r.Market]++ }
	p.freed = func(r serve.Replica) { p.at(r.Offer.Location).held[r.Market]-- }
	p.told = func(now time.Time, out policy.Output) {
		tell(p.evaluation(now, out))
		p.happened = nil
	}
	p.gaveUp = func(given serve.RolledBack) {
		p.happened = append(p.happened, fmt.Sprintf("revision %d is given up for revision %d: %s", given.Revision, given.Good, given.Reason))
	}
	return p
}

// at gives the place at a location.
func (p *playing) at(l serve.Location) *place {
	return p.places[slices.IndexFunc(p.places, func(place *place) bool { return place.location == l })]
}

// soonest is when something happens next.
func (p *playing) soonest() time.Time {
	next := p.next()
	earlier := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	earlier(p.plan.Next)
	if len(p.coming) > 0 {
		earlier(p.start.Add(p.coming[0].at))
	}
	return next
}

// requestsAt is how many requests came within the last [policy.Window].
func (p *playing) requestsAt(now time.Time) int {
	return int(math.Round(p.sum(now, func(loadSince) float64 { return 1 })))
}

// concurrencyAt is how many were under way, as the mean of the last
// [policy.Window]: by Little's law the rate of requests times what one takes.
func (p *playing) concurrencyAt(now time.Time) float64 {
	return p.sum(now, func(l loadSince) float64 { return l.takes.Seconds() }) / policy.Window.Seconds()
}

// sum adds up the requests of the last [policy.Window], each with its weight.
func (p *playing) sum(now time.Time, weight func(loadSince) float64) float64 {
	total := 0.0
	for i, l := range p.loads {
		until := now
		if i+1 < len(p.loads) {
			until = p.loads[i+1].at
		}
		since := l.at
		if edge := now.Add(-policy.Window); edge.After(since) {
			since = edge
		}
		if until.After(since) {
			total += l.qps * until.Sub(since).Seconds() * weight(l)
		}
	}
	return total
}

func (p *playing) evaluation(now time.Time, out policy.Output) Evaluation {
	counts := serve.Count(p.state.Replicas)
	e := Evaluation{
		At: now.Sub(p.start).Seconds(), Events: p.happened, Target: out.Target,
		Ready: counts.Ready, Total: counts.Total, Hold: out.Hold, Decisions: []Decision{}, Replicas: []Row{},
	}
	for _, d := range out.Decisions {
		e.Decisions = append(e.Decisions, Decision{Action: d.Action, Market: d.Market, ReplicaID: d.ReplicaID, Location: where(d.Offer), Reason: d.Reason})
	}
	for _, r := range p.state.Replicas {
		e.Replicas = append(e.Replicas, Row{ID: r.ID, Revision: r.Revision, Market: r.Market, Status: r.Status(), Location: where(r.Offer), Price: r.Offer.Price})
	}
	return e
}

func where(o serve.Offer) string {
	if o.IsZero() {
		return ""
	}
	return o.Location.String()
}

// load changes the rate of requests, and what one takes.
func load(qps float64, takes time.Duration) func(*playing, time.Time) error {
	return func(p *playing, now time.Time) error {
		p.loads = append(p.loads, loadSince{now, qps, takes})
		return nil
	}
}

// capacity changes how many machines there are. What is held above it is taken,
// the youngest first.
func capacity(where serve.Location, market serve.Market, n int) func(*playing, time.Time) error {
	return func(p *playing, now time.Time) error {
		for _, place := range p.places {
			if _, sold := place.capacity[market]; !sold || !where.Contains(place.location) {
				continue
			}
			place.capacity[market] = n
			for _, r := range slices.Backward(slices.Clone(p.state.Replicas)) {
				if place.held[market] > n && r.Launch == serve.LaunchSucceeded && r.Market == market && r.Offer.Location == place.location {
					p.take(r.ID, now)
				}
			}
		}
		return nil
	}
}

// update accepts a new spec.
func update(spec serve.Spec) func(*playing, time.Time) error {
	return func(p *playing, now time.Time) error {
		spec.Name = p.state.Name
		p.state.Revise(spec, now)
		return nil
	}
}

// fates are what can become of a replica.
func fates() map[string]func(*playing, int64, time.Time) error {
	failed := func(cause serve.Cause) func(*playing, int64, time.Time) error {
		return func(p *playing, id int64, now time.Time) error {
			p.end(id, cause, now)
			return nil
		}
	}
	granted := func(do func(*playing, *serve.Replica, time.Time)) func(*playing, int64, time.Time) error {
		return func(p *playing, id int64, now time.Time) error {
			r := p.state.Find(id)
			if r.Launch != serve.LaunchSucceeded {
				return fmt.Errorf("replica %d has no machine then", id)
			}
			do(p, r, now)
			return nil
		}
	}
	return map[string]func(*playing, int64, time.Time) error{
		"ready": granted(func(p *playing, r *serve.Replica, now time.Time) { p.ready(r, now) }),
		"not_ready": granted(func(_ *playing, r *serve.Replica, now time.Time) {
			r.Ready, r.FailingSince = false, now
		}),
		"preempted": granted(func(p *playing, r *serve.Replica, now time.Time) {
			if p.notice > 0 {
				p.warn(r.ID, now, now.Add(p.notice))
				return
			}
			p.take(r.ID, now)
		}),
		"lost":                 failed(serve.CauseLost),
		"failed":               failed(serve.CauseAppFailed),
		"failed_initial_delay": failed(serve.CauseInitialDelay),
		"failed_probing":       failed(serve.CauseProbing),
	}
}
