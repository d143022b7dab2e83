// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import (
	"sync"
	"time"
)

// Verdict says what becomes of a call. The zero value lets it be. E is a refusal as
// the vendor words it.
type Verdict[E any] struct {
	// Err refuses the call, before anything is done.
	Err *E
	// Lose does what is asked, and cuts the connection in place of an answer.
	Lose bool
}

// Faults are what goes wrong because a test says so. C is a call that the cloud
// understands. They are used with the cloud locked, and the zero value has none.
type Faults[C, E any] struct {
	// Behind is how old what is described may be.
	Behind time.Duration
	// Down has whoever asks anything be told that the cloud is not available.
	Down bool
	// Departures from the vendor's model are expected, and fail no test.
	Departures bool

	hook      func(C) Verdict[E]
	failing   map[string][]*E // what the next calls of an action fail with; nil loses the answer
	forbidden map[string]bool
	drawn     allowances // nil for as much as is asked for
}

// Forbids reports whether a permission was taken away.
func (f *Faults[C, E]) Forbids(permission string) bool { return f.forbidden[permission] }

// Draw takes n tokens of the allowance of a name, which holds so many at most and
// gains so many a second, and reports whether there were enough: there are where
// nobody is throttled.
func (f *Faults[C, E]) Draw(now time.Time, name string, n, size, rate float64) bool {
	return f.drawn == nil || f.drawn.draw(now, name, n, size, rate)
}

// Judge says what becomes of a call. An error that spares it waits for the next one;
// nil spares none.
func (f *Faults[C, E]) Judge(action string, spares func(*E) bool, call func() C) Verdict[E] {
	if next := f.failing[action]; len(next) > 0 && (spares == nil || !spares(next[0])) {
		f.failing[action] = next[1:]
		return Verdict[E]{Err: next[0], Lose: next[0] == nil}
	}
	if f.hook == nil {
		return Verdict[E]{}
	}
	return f.hook(call())
}

// Controls are how a test has things go wrong. A cloud embeds them, so that they are
// its own methods.
type Controls[C, E any] struct {
	cloud  sync.Locker
	faults *Faults[C, E]
}

// NewControls gives the controls of a cloud's faults.
func NewControls[C, E any](cloud sync.Locker, faults *Faults[C, E]) Controls[C, E] {
	return Controls[C, E]{cloud, faults}
}

// Fault has hook judge every call from now on. It is called with the cloud locked, in
// the order of the calls, and must not call methods of it. Nil judges no more.
func (c Controls[C, E]) Fault(hook func(C) Verdict[E]) {
	c.set(func(f *Faults[C, E]) { f.hook = hook })
}

// FailNext has the next calls of an action, as the vendor calls it, fail with errs, one
// after the other. Where the error is nil, what was asked is done, and the answer is
// lost.
func (c Controls[C, E]) FailNext(action string, errs ...*E) {
	c.set(func(f *Faults[C, E]) {
		if f.failing == nil {
			f.failing = map[string][]*E{}
		}
		f.failing[action] = append(f.failing[action], errs...)
	})
}

// LoseNext has the answer of the next call of an action be lost: what was asked is
// done, but the connection is cut.
func (c Controls[C, E]) LoseNext(action string) { c.FailNext(action, nil) }

// Forbid takes permissions, as the vendor calls them, away from whoever calls.
func (c Controls[C, E]) Forbid(permissions ...string) { c.permit(false, permissions) }

// Allow gives them back.
func (c Controls[C, E]) Allow(permissions ...string) { c.permit(true, permissions) }

func (c Controls[C, E]) permit(allowed bool, permissions []string) {
	c.set(func(f *Faults[C, E]) {
		if f.forbidden == nil {
			f.forbidden = map[string]bool{}
		}
		for _, p := range permissions {
			f.forbidden[p] = !allowed
		}
	})
}

// Throttle has what makes machines limit how often it is asked as the vendor says that
// it does, or not. It does not at first.
func (c Controls[C, E]) Throttle(on bool) {
	c.set(func(f *Faults[C, E]) {
		f.drawn = nil
		if on {
			f.drawn = allowances{}
		}
	})
}

// Lag is how long a change stays unseen by those who describe many things: a new
// instance is not there, and one that was ended still runs.
func (c Controls[C, E]) Lag(d time.Duration) {
	c.set(func(f *Faults[C, E]) { f.Behind = d })
}

// ExpectRefusals has requests that depart from the vendor's model be refused without
// the test failing: for tests of just that.
func (c Controls[C, E]) ExpectRefusals() {
	c.set(func(f *Faults[C, E]) { f.Departures = true })
}

func (c Controls[C, E]) set(change func(*Faults[C, E])) {
	c.cloud.Lock()
	defer c.cloud.Unlock()
	change(c.faults)
}
