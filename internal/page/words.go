// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// words are what the template calls: how figures are said. page.js says the
// growing ones, money and ago, in the same way.
func words() map[string]any {
	return map[string]any{
		"money": money, "span": seconds, "ago": ago, "market": market, "mood": mood, "percent": percent,
		"stamp":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":  func(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05 UTC") },
		"dots":   func(n int) []struct{} { return make([]struct{}, max(0, min(n, 24))) },
		"moment": func(at, now time.Time) moment { return moment{At: at, Now: now} },
		"sub":    func(a, b int) int { return a - b },
	}
}

// moment is a time, and when it is looked at.
type moment struct{ At, Now time.Time }

// money says dollars with as many digits as tell something: a service of an
// hour costs cents, one of a minute less.
func money(dollars float64) string {
	sign, size := "", math.Abs(dollars)
	if dollars < 0 {
		sign = "−"
	}
	digits := 2
	switch {
	case size == 0 || size >= 1:
	case size >= 0.01:
		digits = 4
	default:
		digits = 6
	}
	return sign + "$" + strconv.FormatFloat(size, 'f', digits, 64)
}

// percent says how much was saved of what it would have cost.
func percent(saved, spent float64) string {
	if saved+spent <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.0f%%", 100*saved/(saved+spent))
}

// seconds says a length of time in its two largest units; fractions only where
// there is nothing else to say.
func seconds(s float64) string {
	if s > 0 && s < 10 {
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	n := int(math.Round(s))
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600:
		return fmt.Sprintf("%d m %02d s", n/60, n%60)
	case n < 24*3600:
		return fmt.Sprintf("%d h %02d m", n/3600, n/60%60)
	default:
		return fmt.Sprintf("%d d %02d h", n/86400, n/3600%24)
	}
}

// ago says how long ago something was.
func ago(since, at time.Time) string {
	return seconds(math.Floor(max(0, at.Sub(since).Seconds()))) + " ago"
}

func market(m serve.Market) string {
	if m == serve.OnDemand {
		return "on-demand"
	}
	return string(m)
}

// mood sorts states by what a person should feel about them; each has a colour,
// and its name is shown as well.
func mood(s serve.Status) string {
	switch {
	case s == serve.Ready:
		return "good"
	case s.IsFailed(), s == serve.ControllerFailed:
		return "bad"
	case s == serve.Preempted, s == serve.NotReady, s == serve.NoReplica:
		return "warn"
	case s == serve.ShuttingDown, s == "GONE":
		return "past"
	default:
		return "busy"
	}
}
