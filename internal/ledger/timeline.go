// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package ledger

import (
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// span gives the present piece of the timeline.
func span(l serve.Ledger) serve.Span {
	p := serve.Span{At: l.At, Ready: float64(l.Ready), Target: float64(l.Target)}
	for _, m := range l.Machines {
		if m.Market == serve.Spot {
			p.Spot++
		} else {
			p.OnDemand++
		}
	}
	return p
}

// extend adds a span to a timeline, which stays as it is for those who hold it.
func extend(line []serve.Span, p serve.Span) []serve.Span {
	last := len(line) - 1
	if last >= 0 && line[last].At.Equal(p.At) {
		return append(slices.Clone(line[:last]), p) // it lasted no time
	}
	if last >= 0 {
		if same := line[last]; same.Spot == p.Spot && same.OnDemand == p.OnDemand && same.Ready == p.Ready && same.Target == p.Target {
			return line
		}
	}
	line = append(slices.Clone(line), p)
	for len(line) > maxSpans {
		line = thin(line, p.At)
	}
	return line
}

// thin joins the two neighbours that cover the least time for their age, so that
// a minute is seen in seconds and a month in hours. The last span is still open
// and stays out of it.
func thin(line []serve.Span, at time.Time) []serve.Span {
	best, least := 0, 0.0
	for i := range len(line) - 2 {
		share := line[i+2].At.Sub(line[i].At).Seconds() / max(at.Sub(line[i].At).Seconds(), 1e-9)
		if i == 0 || share < least {
			best, least = i, share
		}
	}
	line[best] = join(line[best], line[best+1], line[best+2].At)
	return slices.Delete(line, best+1, best+2)
}

// join gives the means of two spans, of which the second ends at end.
func join(a, b serve.Span, end time.Time) serve.Span {
	share := 0.5
	if whole := end.Sub(a.At).Seconds(); whole > 0 {
		share = b.At.Sub(a.At).Seconds() / whole
	}
	mean := func(x, y float64) float64 { return y + share*(x-y) }
	return serve.Span{
		At: a.At, Spot: mean(a.Spot, b.Spot), OnDemand: mean(a.OnDemand, b.OnDemand),
		Ready: mean(a.Ready, b.Ready), Target: mean(a.Target, b.Target), BelowSeconds: a.BelowSeconds + b.BelowSeconds,
	}
}
