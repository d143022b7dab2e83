// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatBecameOfRevisionsIsRemembered(t *testing.T) {
	t.Parallel()
	at := func(n int) time.Time { return time.Unix(int64(1000+n), 0).UTC() }
	var s serve.State
	one := serve.NewSpec("web")
	one.Run = "one"
	s.Revise(one, at(1))
	s.Prove(at(2))
	shown := s.History
	two := one
	two.Run, two.Envs, two.ReplicaPolicy = "two", map[string]string{"A": "1"}, serve.FixedReplicas(3)
	s.Revise(two, at(3))
	s.GiveUp("replica 3 failed", 3, at(4))
	want := []serve.Revised{
		{Revision: 1, At: at(1), ProvenAt: at(2)},
		{Revision: 2, At: at(3), Changed: []string{"envs", "replica_policy", "run"}, GivenUpAt: at(4), Reason: "replica 3 failed"},
		{Revision: 3, At: at(4), Changed: []string{"envs", "replica_policy", "run"}, BackTo: 1, ProvenAt: at(4)},
	}
	if diff := cmp.Diff(want, s.History); diff != "" {
		t.Errorf("the history is (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:1], shown); diff != "" {
		t.Errorf("what was shown has changed (-want +got):\n%s", diff)
	}
	if s.Good != 3 || s.Spec.Run != "one" {
		t.Errorf("good is %d, and it runs %q", s.Good, s.Spec.Run)
	}
	for n := range 30 {
		s.Revise(two, at(10+n))
	}
	if n := len(s.History); n != 20 || s.History[0].Revision != 14 || s.History[19].Revision != 33 {
		t.Errorf("%d revisions are remembered: %+v", n, s.History)
	}
}
