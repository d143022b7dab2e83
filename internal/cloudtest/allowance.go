// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import "time"

// allowances say how often something may be asked. Each is a bucket of tokens, which
// fills up at its rate.
type allowances map[string]*allowance

type allowance struct {
	tokens, size, rate float64
	filled             time.Time
}

// draw takes tokens of the allowance of a name, and reports whether there were enough.
func (a allowances) draw(now time.Time, name string, n, size, rate float64) bool {
	b := a[name]
	if b == nil {
		b = &allowance{tokens: size, size: size, rate: rate, filled: now}
		a[name] = b
	}
	b.tokens = min(b.size, b.tokens+now.Sub(b.filled).Seconds()*b.rate)
	b.filled = now
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}
