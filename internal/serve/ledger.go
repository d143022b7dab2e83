// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"slices"
	"time"
)

// Ledger is what a service has cost and what it was worth, from its first
// replica on. Its sums go as far as At, when something last changed; since then
// nothing but time has passed, so that [Ledger.Until] knows the rest. A ledger
// at rest is thus the same value however late one looks: time alone makes
// nobody save it or tell of it.
type Ledger struct {
	// Since is when it began, and At until when it is reckoned up.
	Since time.Time `json:"since,omitzero"`
	At    time.Time `json:"at,omitzero"`
	// Spot and OnDemand are what machines of each market were used and cost.
	Spot     Usage `json:"spot"`
	OnDemand Usage `json:"on_demand"`
	// Saved is what the spot machines would have cost more as on-demand ones, in
	// US dollars.
	Saved float64 `json:"saved"`
	// BelowSeconds is how long fewer replicas than the target took requests.
	BelowSeconds float64 `json:"below_seconds"`
	// Ready is how many replicas take requests now: the ready ones, and those
	// under notice that serve on because others are too few. Target is how many
	// autoscaling wants.
	Ready  int `json:"ready"`
	Target int `json:"target"`
	// Machines are those that are paid for now, in order of replica.
	Machines []Machine `json:"machines,omitempty"`
	// Interrupted counts all interruptions; Interruptions are the last ones,
	// oldest first.
	Interrupted   int            `json:"interrupted"`
	Interruptions []Interruption `json:"interruptions,omitempty"`
	// Timeline is how it went, oldest first, in the more detail the more recent.
	Timeline []Span `json:"timeline,omitempty"`
}

// Usage is how long machines were used, and what that cost in US dollars.
type Usage struct {
	Hours   float64 `json:"hours"`
	Dollars float64 `json:"dollars"`
}

// Machine is one that is paid for.
type Machine struct {
	Replica int64  `json:"replica"`
	Market  Market `json:"market"`
	// Price is what it costs, and Regular what it would cost on demand, which is
	// the same where that is not known; both in US dollars per hour.
	Price   float64 `json:"price"`
	Regular float64 `json:"regular"`
	// Interrupted says that its loss is in the books.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Interruption is the loss of a machine that nobody here had asked for.
type Interruption struct {
	Replica  int64     `json:"replica"`
	Market   Market    `json:"market"`
	Location Location  `json:"location"`
	At       time.Time `json:"at"`
	// NoticeSeconds is how long before its end it was announced.
	NoticeSeconds float64 `json:"notice_seconds"`
	// BelowSeconds is how long fewer replicas than the target took requests until
	// it was made good. Those of one moment share that time, and each has it all.
	BelowSeconds float64 `json:"below_seconds"`
	// RequestsRetried is how many requests its replica failed that were sent to
	// another one, and RequestsLost how many got no whole answer because of it.
	RequestsRetried int64 `json:"requests_retried"`
	RequestsLost    int64 `json:"requests_lost"`
	// Over is when it was made good: the machine gone, and again as many replicas
	// as the target. Zero before.
	Over time.Time `json:"over,omitzero"`
}

// Span is a piece of the timeline, from At to the next one's. What was joined
// from several has their means, weighted by time, so that areas stay true.
type Span struct {
	At       time.Time `json:"at"`
	Spot     float64   `json:"spot"`
	OnDemand float64   `json:"on_demand"`
	Ready    float64   `json:"ready"`
	Target   float64   `json:"target"`
	// BelowSeconds is for how much of it fewer replicas than the target took requests.
	BelowSeconds float64 `json:"below_seconds,omitempty"`
}

// Spent is what all machines have cost, in US dollars.
func (l Ledger) Spent() float64 { return l.Spot.Dollars + l.OnDemand.Dollars }

// CostPerHour is what the machines cost now, in US dollars per hour.
func (l Ledger) CostPerHour() float64 {
	var sum float64
	for _, m := range l.Machines {
		sum += m.Price
	}
	return sum
}

// SavedPerHour is what is saved now against on-demand machines, in US dollars
// per hour.
func (l Ledger) SavedPerHour() float64 {
	var sum float64
	for _, m := range l.Machines {
		sum += m.Regular - m.Price
	}
	return sum
}

// Until reckons the ledger up to a moment, given that nothing has changed since
// At. A moment before that changes nothing: clocks may be set back, what was
// spent does not come back.
func (l Ledger) Until(at time.Time) Ledger {
	passed := at.Sub(l.At)
	if l.At.IsZero() || passed <= 0 {
		return l
	}
	l.At = at
	for _, m := range l.Machines {
		use := &l.OnDemand
		if m.Market == Spot {
			use = &l.Spot
		}
		use.Hours += passed.Hours()
		use.Dollars += passed.Hours() * m.Price
		l.Saved += passed.Hours() * (m.Regular - m.Price)
	}
	if l.Ready >= l.Target {
		return l
	}
	l.BelowSeconds += passed.Seconds()
	// What others hold of the same ledger is not to change under them.
	l.Interruptions, l.Timeline = slices.Clone(l.Interruptions), slices.Clone(l.Timeline)
	for i := range l.Interruptions {
		if l.Interruptions[i].Over.IsZero() {
			l.Interruptions[i].BelowSeconds += passed.Seconds()
		}
	}
	if last := len(l.Timeline) - 1; last >= 0 {
		l.Timeline[last].BelowSeconds += passed.Seconds()
	}
	return l
}
