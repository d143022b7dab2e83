// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import "github.com/serve-infra/terraform-provider-serve/internal/ledger"

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
}
