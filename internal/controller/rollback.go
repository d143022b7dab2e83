// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// proven notes that the newest revision is what later ones go back to.
func (l *loop) proven() {
	l.state.Prove(now())
	l.touched = true
	l.note(serve.EventSpec, 0, "Revision %d has proven itself", l.state.Revision)
}

// setback says why the newest revision is to be given up. That nothing on offer
// fits it the controller knows better than the policy: an offer that is missing
// may be one that could not be asked for.
func (l *loop) setback() policy.Setback {
	s := &l.state
	if s.Spec.Rollback.Enabled && s.Good != 0 && s.Good != s.Revision && !l.offers.fit(s.Spec) {
		return policy.Setback{Reason: "no machine that is offered anywhere fits " + describeResources(s.Spec.Resources)}
	}
	return l.plan.Setback
}

// rollBack gives the newest revision up for the good one.
func (l *loop) rollBack(why policy.Setback) {
	l.note(serve.EventSpec, why.Replica, "Revision %d is given up for revision %d, as %s", l.state.Revision, l.state.Good, why.Reason)
	l.state.GiveUp(why.Reason, why.Replica, now())
	l.revised()
}

// revised acts on a new revision of a service that there was before.
func (l *loop) revised() {
	l.offers.known = false
	l.dirty, l.touched = true, true
	l.note(serve.EventSpec, 0, "Revision %d is accepted", l.state.Revision)
	l.configure()
	l.listen()
	l.refreshOffers()
	l.keepBundles()
}
