// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

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
	hook      func(C) Verdict[E]
	failing   map[string][]*E // what the next calls of an action fail with; nil loses the answer
	forbidden map[string]bool
}

// Fault has hook judge every call from now on. Nil judges no more.
func (f *Faults[C, E]) Fault(hook func(C) Verdict[E]) { f.hook = hook }

// FailNext has the next calls of an action fail, one after the other. Where the
// error is nil, what was asked is done, and the answer is lost.
func (f *Faults[C, E]) FailNext(action string, errs ...*E) {
	if f.failing == nil {
		f.failing = map[string][]*E{}
	}
	f.failing[action] = append(f.failing[action], errs...)
}

// Permit gives permissions, or takes them away.
func (f *Faults[C, E]) Permit(allowed bool, permissions []string) {
	if f.forbidden == nil {
		f.forbidden = map[string]bool{}
	}
	for _, p := range permissions {
		f.forbidden[p] = !allowed
	}
}

// Forbids reports whether a permission was taken away.
func (f *Faults[C, E]) Forbids(permission string) bool { return f.forbidden[permission] }

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
