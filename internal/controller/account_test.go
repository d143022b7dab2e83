// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestTheLedgerSurvivesItsController(t *testing.T) {
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	uid := r.apply(dynamicSpec()).UID
	r.await("two spot replicas", func(s serve.Service) bool { return s.Counts.Spot == 2 && s.Counts.Total == 2 })
	cloud.Tell(serve.Notice{Kind: serve.NoticeGone, Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}})
	before := r.await("two others, and nothing else", func(s serve.Service) bool {
		return s.Ledger.Interrupted == 1 && s.Counts.Spot == 2 && s.Counts.Total == 2 && len(s.Ledger.Machines) == 2
	}).Ledger
	one := before.Interruptions[0]
	if one.Replica != 1 || one.Market != serve.Spot || one.NoticeSeconds != 0 || one.Over.IsZero() || one.Location.Cloud != "cloud" {
		t.Errorf("the interruption is %+v", one)
	}
	if before.Spent() <= 0 || before.Saved <= 0 || before.SavedPerHour() < 0.139 || before.CostPerHour() != 0.06 {
		t.Errorf("the sums are %+v", before)
	}
	r.crash()

	again := start(t, cloud, store)
	again.await("the same two", func(s serve.Service) bool { return s.Counts.Ready == 2 })
	state, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Nothing has changed, so that not even the moment of the last reckoning has.
	if diff := cmp.Diff(before, state.Ledger); diff != "" {
		t.Errorf("after a restart the ledger is another one (-before +after):\n%s", diff)
	}
}
