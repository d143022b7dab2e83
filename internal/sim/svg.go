// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// The measures of the drawing, in pixels.
const (
	svgWidth  = 960
	svgLeft   = 110 // where time begins
	svgRight  = 16
	svgTop    = 46
	svgGraph  = 170 // the height of the graph of machines
	svgLane   = 22  // the height of a zone
	svgBuffer = 16
	svgColumn = 2 // the width of one column
)

// svgColumns is how many columns time is cut into.
const svgColumns = (svgWidth - svgLeft - svgRight) / svgColumn

// svgStyle has the colours, for light and dark backgrounds alike.
const svgStyle = `text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:13px}` +
	`.spot{fill:#2da44e}.od{fill:#d4791f}.short{fill:#cf222e}.ready{fill:none;stroke:#0a3069}.target{stroke:#57606a;stroke-dasharray:4 3}` +
	`.lane{fill:#8c959f;opacity:.12}.had{fill:#8c959f;opacity:.45}.held{fill:#2da44e}.line{fill:#0a3069}.axis{stroke:#8c959f;opacity:.4}`

// WriteSVG draws a replay: above, how many spot and on-demand machines there
// were, against the target, and in red when fewer replicas were ready; below, for
// each zone, when it had capacity (grey) and when it was used (green).
func WriteSVG(w io.Writer, trace *Trace, target int, title string, r Result) error {
	line := r.Timeline
	if line == nil || len(line.Ready) == 0 {
		return fmt.Errorf("drawing %s: there is no timeline", trace.Name)
	}
	d := drawing{trace: trace, line: line, target: target, most: target + target/2}
	for i := range svgColumns {
		spot, onDemand, _ := d.means(i)
		d.most = max(d.most, int(math.Ceil(spot+onDemand)))
	}
	height := svgTop + svgGraph + svgBuffer + svgLane*len(trace.Zones) + 34
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>%s</title><style>%s</style>`+"\n",
		svgWidth, height, svgWidth, height, html.EscapeString(title), svgStyle)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="18">%s</text>`+"\n", svgLeft, html.EscapeString(title))
	d.legend(&b)
	d.graph(&b)
	d.lanes(&b)
	d.axis(&b, height-18)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// drawing is a timeline being drawn.
type drawing struct {
	trace  *Trace
	line   *Timeline
	target int
	// most is the number of machines at the top of the graph.
	most int
}

// column gives the steps that share a column.
func (d drawing) column(i int) (from, to int) {
	steps := len(d.line.Ready)
	from = i * steps / svgColumns
	return from, max(from+1, (i+1)*steps/svgColumns)
}

// means gives the mean numbers in a column.
func (d drawing) means(i int) (spot, onDemand, ready float64) {
	from, to := d.column(i)
	for step := from; step < to; step++ {
		spot += float64(d.line.Spot[step])
		onDemand += float64(d.line.OnDemand[step])
		ready += float64(d.line.Ready[step])
	}
	steps := float64(to - from)
	return spot / steps, onDemand / steps, ready / steps
}

// y is where a number of machines is in the graph.
func (d drawing) y(n float64) float64 { return svgTop + svgGraph*(1-n/float64(d.most)) }

func (d drawing) legend(b *strings.Builder) {
	x := svgLeft
	for _, entry := range []struct{ class, text string }{
		{"spot", "spot"}, {"od", "on-demand"}, {"line", "ready"}, {"short", "fewer ready than the target"}, {"had", "zone has capacity"}, {"held", "zone is used"},
	} {
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="27" width="10" height="10"/><text x="%d" y="36">%s</text>`+"\n", entry.class, x, x+14, entry.text)
		x += 30 + 7*len(entry.text)
	}
}

// graph draws the machines, spot below and on-demand above.
func (d drawing) graph(b *strings.Builder) {
	var spot, onDemand, short, ready strings.Builder
	for i := range svgColumns {
		from, to := d.column(i)
		least := slices.Min(d.line.Ready[from:to])
		s, o, r := d.means(i)
		x := svgLeft + i*svgColumn
		bar(&spot, x, d.y(s), d.y(0))
		bar(&onDemand, x, d.y(s+o), d.y(s))
		fmt.Fprintf(&ready, "%c%d %.1f", "ML"[min(i, 1)], x, d.y(r))
		if least < d.target {
			bar(&short, x, d.y(0)+3, d.y(0)+3+8*float64(d.target-least)/float64(d.target))
		}
	}
	fmt.Fprintf(b, `<path class="spot" d="%s"/><path class="od" d="%s"/><path class="short" d="%s"/><path class="ready" d="%s"/>`+"\n", &spot, &onDemand, &short, &ready)
	fmt.Fprintf(b, `<path class="target" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">target %d</text>`+"\n",
		svgLeft, d.y(float64(d.target)), svgWidth-svgRight, svgLeft-8, d.y(float64(d.target))+4, d.target)
	fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%d machines</text>`+"\n", svgLeft-8, d.y(float64(d.most))+8, d.most)
}

// lanes draws the zones.
func (d drawing) lanes(b *strings.Builder) {
	for i, zone := range d.trace.Zones {
		top := float64(svgTop + svgGraph + svgBuffer + i*svgLane)
		var had, held strings.Builder
		for column := range svgColumns {
			from, to := d.column(column)
			capacity, used := 0, 0
			for step := from; step < to; step++ {
				if zone.Capacity[step] > 0 {
					capacity++
				}
				used = max(used, d.line.Held[step][i])
			}
			x := svgLeft + column*svgColumn
			if 2*capacity >= to-from {
				bar(&had, x, top+1, top+svgLane-3)
			}
			if used > 0 {
				tall := (svgLane - 4) * min(1, float64(used)/float64(d.target))
				bar(&held, x, top+svgLane-3-tall, top+svgLane-3)
			}
		}
		fmt.Fprintf(b, `<rect class="lane" x="%d" y="%.1f" width="%d" height="%d"/><path class="had" d="%s"/><path class="held" d="%s"/>`+"\n",
			svgLeft, top+1, svgWidth-svgLeft-svgRight, svgLane-4, &had, &held)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", svgLeft-8, top+14, html.EscapeString(zone.Location.Zone))
	}
}

// axis draws the time, in ten parts or fewer.
func (d drawing) axis(b *strings.Builder, y int) {
	span := time.Duration(len(d.line.Ready)) * d.trace.Step
	unit := time.Hour
	for _, u := range []time.Duration{time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 5 * 24 * time.Hour, 20 * 24 * time.Hour} {
		if unit = u; span/u <= 10 {
			break
		}
	}
	for at := time.Duration(0); at < span; at += unit {
		x := svgLeft + int(float64(svgColumns*svgColumn)*float64(at)/float64(span))
		label := fmt.Sprintf("%dh", int(at.Hours()))
		if unit >= 24*time.Hour {
			label = fmt.Sprintf("day %d", int(at.Hours())/24)
		}
		fmt.Fprintf(b, `<path class="axis" d="M%d %dV%d"/>`, x, svgTop, y-8)
		if x < svgWidth-svgRight-40 {
			fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, x+3, y+8, label)
		}
		b.WriteByte('\n')
	}
}

// bar adds a rectangle of one column to a path.
func bar(path *strings.Builder, x int, top, bottom float64) {
	if bottom-top < 0.05 {
		return
	}
	fmt.Fprintf(path, "M%d %.1fh%dv%.1fh-%dz", x, top, svgColumn, bottom-top, svgColumn)
}
