// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// Times are rough when spot machines were lost roughLosses times within
	// roughSpan. Until then the mixture is SkyServe's to the letter.
	roughLosses = 3
	roughSpan   = 24 * time.Hour
	// caution is for how long a pool is doubted, in units of the gap that a loss
	// leaves. The rate at which pools lose machines falls about as one over their
	// age, and what a loss costs grows with the gap; so the age at which a spare is
	// not worth its price any more grows with the gap, too.
	caution = 5
	// lean is the weight of the latest measurement in a mean.
	lean = 0.25
)

// Risk is what a service has learnt about losing machines.
type Risk struct {
	// ColdStart is how long a machine takes from its launch until it is ready, and
	// Notice how long before its loss one is told of it: means that lean towards
	// the latest, in seconds, 0 while nothing was measured.
	ColdStart float64 `json:"cold_start_seconds,omitempty"`
	Notice    float64 `json:"notice_seconds,omitempty"`
	// Measured is when the last machine became ready whose cold start is in.
	Measured time.Time `json:"measured,omitzero"`
	// Losses are the moments of the latest losses of spot machines, at most
	// roughLosses of them, the latest last.
	Losses []time.Time `json:"losses,omitempty"`
}

// measured takes in the cold starts of replicas that became ready since.
func (r Risk) measured(replicas []serve.Replica) Risk {
	last := r.Measured
	for i := range replicas {
		replica := &replicas[i]
		ready := replica.FirstReadyAt.UTC().Round(0)
		if replica.FirstReadyAt.IsZero() || !ready.After(r.Measured) {
			continue
		}
		if ready.After(last) {
			last = ready
		}
		// The clock of a cloud may be ahead of ours.
		took := ready.Sub(replica.LaunchedAt).Seconds()
		switch {
		case replica.LaunchedAt.IsZero() || took <= 0 || !replica.RestartedAt.IsZero():
		case r.ColdStart == 0:
			r.ColdStart = took
		default:
			r.ColdStart = leaning(r.ColdStart, took)
		}
	}
	r.Measured = last
	return r
}

// lost takes in a loss of which notice was given so long before.
func (r Risk) lost(now time.Time, notice time.Duration) Risk {
	if len(r.Losses) == 0 {
		r.Notice = notice.Seconds()
	} else {
		r.Notice = leaning(r.Notice, notice.Seconds())
	}
	losses := append(slices.Clone(r.Losses), now)
	r.Losses = losses[max(0, len(losses)-roughLosses):]
	return r
}

// doubting says for how long a pool is doubted after it lost machines, or after
// the first came up there: a while when times are rough, and not at all when
// they are calm. A loss of which notice is given early enough leaves no gap, and
// no reason to doubt.
func (e *evaluation) doubting() time.Duration {
	r := e.memory.Risk
	if e.rule() != serve.SteadyPlacer || !e.policy.DynamicOndemandFallback || len(r.Losses) < roughLosses || !e.lately(r.Losses[0], roughSpan) {
		return 0
	}
	return serve.Seconds(caution * max(0, r.ColdStart-r.Notice))
}

// shaken reports whether a pool lost machines so lately that it is doubted for
// those it still holds.
func (e *evaluation) shaken(p Pool) bool {
	return !p.Record.LostAt.IsZero() && e.lately(p.Record.LostAt, e.doubt)
}

// unproven reports whether a pool is doubted: it is shaken, or new.
func (e *evaluation) unproven(p Pool) bool {
	return e.shaken(p) || p.Record.HeldSince.IsZero() && e.doubt > 0 || e.lately(p.Record.HeldSince, e.doubt)
}

// lately reports whether something that happened at the given time is less than
// span ago, and asks to be called again when it is not any more.
func (e *evaluation) lately(at time.Time, span time.Duration) bool {
	until := at.Add(span)
	e.wake(until)
	return until.After(e.now)
}

// leaning gives a mean with one more measurement.
func leaning(mean, measured float64) float64 { return mean + lean*(measured-mean) }
