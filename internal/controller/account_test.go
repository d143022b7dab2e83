// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"maps"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
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

func TestWhatAnInterruptionCostsRequests(t *testing.T) {
	for _, row := range []struct {
		name, method  string
		retried, lost int64
	}{
		{"a GET under way is sent elsewhere", http.MethodGet, 1, 0},
		{"a POST under way is lost", http.MethodPost, 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cloud, store := newCloud(t), servetest.NewStore()
			r := start(t, cloud, store)
			uid := r.apply(fixedSpec(2)).UID
			r.await("2/2", settled(1, 2))
			arrived, release := make(chan serve.Ref, 1), make(chan struct{})
			defer close(release)
			cloud.OnRequest(func(ref serve.Ref) {
				arrived <- ref
				<-release
			})
			over := make(chan struct{})
			go func() {
				defer close(over)
				q, err := http.NewRequestWithContext(context.Background(), row.method, r.o.Traffic.URL(), nil)
				if err != nil {
					return
				}
				if resp, err := http.DefaultClient.Do(q); err == nil {
					resp.Body.Close()
				}
			}()
			lost := <-arrived
			cloud.OnRequest(nil)
			cloud.Tell(serve.Notice{Kind: serve.NoticeGone, Ref: serve.Ref{Service: "web", UID: uid, Replica: lost.Replica}})
			<-over
			books := r.await("the toll", func(s serve.Service) bool {
				return s.Counts.Ready == 2 && len(s.Ledger.Interruptions) == 1 &&
					s.Ledger.Interruptions[0].RequestsRetried+s.Ledger.Interruptions[0].RequestsLost > 0
			}).Ledger
			one := books.Interruptions[0]
			if one.Replica != lost.Replica || one.RequestsRetried != row.retried || one.RequestsLost != row.lost {
				t.Errorf("the interruption of %d is %+v", lost.Replica, one)
			}
			r.crash()
			again := start(t, cloud, store).await("its successor", func(s serve.Service) bool { return s.Counts.Ready == 2 })
			if diff := cmp.Diff(books.Interruptions, again.Ledger.Interruptions); diff != "" {
				t.Errorf("after a restart the interruptions are others (-before +after):\n%s", diff)
			}
		})
	}
}

// What a replica has failed is not its end's if it has lived on since.
func TestWhatIsForgiven(t *testing.T) {
	t.Parallel()
	toll := func(retried, lost int64) balancer.Toll { return balancer.Toll{Retried: retried, Lost: lost} }
	l := &loop{tolls: map[int64]tolled{1: {all: toll(2, 1)}, 2: {all: toll(1, 0)}}}
	l.forgive(1) // it may have failed them since the probe was answered
	want := map[int64]tolled{1: {all: toll(2, 1), before: toll(2, 1)}, 2: {all: toll(1, 0)}}
	if !maps.Equal(l.tolls, want) {
		t.Errorf("after one probe: %v, want %v", l.tolls, want)
	}
	l.tolls[1] = tolled{all: toll(5, 1), before: toll(2, 1)}
	l.forgive(1)
	want[1] = tolled{all: toll(3, 0), before: toll(3, 0)}
	if !maps.Equal(l.tolls, want) {
		t.Errorf("after another: %v, want %v", l.tolls, want)
	}
	l.forgive(1)
	l.forgive(3)
	if delete(want, 1); !maps.Equal(l.tolls, want) {
		t.Errorf("after a third: %v, want %v", l.tolls, want)
	}
}
