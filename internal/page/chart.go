// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The measures of the drawing. It is squeezed or stretched to the width of the
// screen, which letters would not survive: what is text is HTML beside it.
const (
	chartWidth  = 1000.0
	chartHeight = 160.0
	// shortHeight is the strip below that marks time with too few replicas.
	shortHeight = 10.0
)

// chart is a timeline as paths of an SVG.
type chart struct {
	Width, Height, Base          float64
	Spot, OnDemand, Ready, Below string
	Target                       string
	// Most is the number at the top; Lines are at whole numbers, as a path.
	Most  int
	Lines string
	Title string
	// From and To are the ends of the time that is shown.
	From, To time.Time
	// Summary says in words what is drawn.
	Summary string
}

// charts draws a timeline up to a moment: all of it and, where a minute would be
// too narrow in that to be seen, the last hour before.
func charts(line []serve.Span, at time.Time) []chart {
	if len(line) == 0 || !at.After(line[0].At) {
		return nil
	}
	whole := at.Sub(line[0].At)
	all := draw(line, at)
	all.Title = "Since it began"
	if whole < 3*time.Hour {
		return []chart{all}
	}
	hour := draw(since(line, at.Add(-time.Hour), at), at)
	hour.Title = "The last hour"
	return []chart{hour, all}
}

// since cuts off what of a timeline was before a moment.
func since(line []serve.Span, from, at time.Time) []serve.Span {
	for i := range line {
		end := at
		if i+1 < len(line) {
			end = line[i+1].At
		}
		if !end.After(from) {
			continue
		}
		rest := append([]serve.Span{}, line[i:]...)
		if rest[0].At.Before(from) {
			rest[0].BelowSeconds *= end.Sub(from).Seconds() / end.Sub(rest[0].At).Seconds()
			rest[0].At = from
		}
		return rest
	}
	return nil
}

// draw makes a chart of a timeline that has a beginning.
func draw(line []serve.Span, at time.Time) chart {
	c := chart{Width: chartWidth, Height: chartHeight + shortHeight, Base: chartHeight, From: line[0].At, To: at, Most: 1}
	for _, s := range line {
		c.Most = max(c.Most, int(math.Ceil(max(s.Spot+s.OnDemand, s.Ready, s.Target)-1e-9)))
	}
	x := func(t time.Time) float64 { return chartWidth * t.Sub(c.From).Seconds() / at.Sub(c.From).Seconds() }
	y := func(n float64) float64 { return chartHeight - (chartHeight-4)*n/float64(c.Most) }
	var spot, onDemand, ready, below, target strings.Builder
	short := 0.0
	for i, s := range line {
		end := at
		if i+1 < len(line) {
			end = line[i+1].At
		}
		left, right := x(s.At), min(x(end), chartWidth)
		area(&spot, left, right, y(s.Spot), y(0))
		area(&onDemand, left, right, y(s.Spot+s.OnDemand), y(s.Spot))
		step(&ready, i, left, right, y(s.Ready))
		step(&target, i, left, right, y(s.Target))
		if short += s.BelowSeconds; s.BelowSeconds > 0 {
			// A short while must be seen too, so a mark has a least width.
			area(&below, left, max(right, left+3), chartHeight+2, chartHeight+shortHeight)
		}
	}
	for n := 1; n <= c.Most; n += max(1, c.Most/4) {
		c.Lines += fmt.Sprintf("M0 %.1fH%.0f", y(float64(n)), chartWidth)
	}
	c.Spot, c.OnDemand, c.Ready, c.Below, c.Target = spot.String(), onDemand.String(), ready.String(), below.String(), target.String()
	last := line[len(line)-1]
	c.Summary = fmt.Sprintf("Machines over the last %s: now %.0f spot and %.0f on-demand, %.0f replicas serve of %.0f wanted; too few for %s in all.",
		seconds(at.Sub(c.From).Seconds()), last.Spot, last.OnDemand, last.Ready, last.Target, seconds(short))
	return c
}

// area adds a rectangle to a path.
func area(b *strings.Builder, left, right, top, bottom float64) {
	if right > left && bottom-top > 0.05 {
		fmt.Fprintf(b, "M%.2f %.1fH%.2fV%.1fH%.2fz", left, top, right, bottom, left)
	}
}

// step adds a level to a line that goes in steps.
func step(b *strings.Builder, i int, left, right, y float64) {
	if i == 0 {
		fmt.Fprintf(b, "M%.2f %.1f", left, y)
	} else {
		fmt.Fprintf(b, "V%.1f", y)
	}
	fmt.Fprintf(b, "H%.2f", right)
}
