// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"maps"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/ledger"
)

// account enters in the ledger what this turn has changed. Nothing is entered,
// and nothing saved, because time has passed.
func (l *loop) account() {
	if l.state.UID == "" {
		return
	}
	target := l.memory.Target
	if l.state.Deleting {
		target = 0 // nobody is to be served any more
	}
	entered, changed := ledger.Next(l.state.Ledger, ledger.Sample{
		At: now(), Replicas: l.state.Replicas, Offers: l.offers.list, Ready: len(l.routed), Target: target,
	})
	if changed {
		l.state.Ledger, l.touched = entered, true
	}
	l.charge()
}

// tolled is what the failures of a replica have cost requests: all of it, and
// what of that was counted before the last probe that succeeded.
type tolled struct{ all, before balancer.Toll }

// charge enters what requests the interruptions have cost. A machine that dies
// fails requests before anybody knows that it does, so that what a replica has
// cost is remembered for as long as it may be the beginning of its end.
func (l *loop) charge() {
	for id, toll := range l.c.o.Traffic.Toll() {
		t := l.tolls[id]
		t.all = t.all.Plus(toll)
		l.tolls[id] = t
	}
	if len(l.tolls) == 0 {
		return
	}
	tolls := map[int64]ledger.Toll{}
	for id, t := range l.tolls {
		tolls[id] = ledger.Toll(t.all)
	}
	charged, rest := ledger.Charge(l.state.Ledger, tolls)
	if len(rest) < len(tolls) {
		l.state.Ledger, l.touched = charged, true
	}
	maps.DeleteFunc(l.tolls, func(id int64, _ tolled) bool {
		_, uncharged := rest[id]
		return !uncharged || l.find(id) == nil
	})
}

// forgive forgets what failures of a replica had cost before the last probe but
// this one that succeeded: it has lived on, so that they were not its end. What
// was counted since then may have happened after this probe was answered.
func (l *loop) forgive(id int64) {
	t, ok := l.tolls[id]
	if !ok {
		return
	}
	t.all.Retried -= t.before.Retried
	t.all.Lost -= t.before.Lost
	if t.before = t.all; t.all == (balancer.Toll{}) {
		delete(l.tolls, id)
		return
	}
	l.tolls[id] = t
}
