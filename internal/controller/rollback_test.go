// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// fail has the program of a replica end in failure.
func (r *rig) fail(uid string, replica int64) {
	r.cloud.Tell(serve.Notice{Kind: serve.NoticeExited, ExitCode: 1, Ref: serve.Ref{Service: "web", UID: uid, Replica: replica}})
}

func TestBrokenRevisionIsRolledBack(t *testing.T) {
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	spec := fixedSpec(2)
	uid := r.apply(spec).UID
	s := r.await("a good revision", func(s serve.Service) bool { return settled(1, 2)(s) && s.Good == 1 })
	if s.RolledBack != nil {
		t.Errorf("nothing was given up, and it says %+v", s.RolledBack)
	}
	cloud.OnProbe(func(ref serve.Ref) bool { return ref.Replica < 3 })
	broken := spec
	broken.Run = "exit 1"
	r.apply(broken)
	r.await("both new replicas up", func(s serve.Service) bool { return s.Counts.Total == 4 && s.Replicas[3].Address != "" })
	r.fail(uid, 3)
	s = r.await("the revision given up", func(s serve.Service) bool { return s.Revision == 3 && settled(1, 2)(s) })
	given := s.RolledBack
	if given == nil || given.Revision != 2 || given.Good != 1 || given.Replica != 3 || !strings.Contains(given.Reason, "replica 3 of revision 2 failed for good") || !strings.Contains(given.Reason, "exit code 1") {
		t.Errorf("it says that %+v", given)
	}
	if s.Spec.Run != spec.Run || s.Good != 3 || s.Failure != "" || s.Status != serve.Ready {
		t.Errorf("the service runs %q, good is %d, it is %s, %q", s.Spec.Run, s.Good, s.Status, s.Failure)
	}
	if launches := r.decisions(serve.Launch); len(launches) != 4 {
		t.Errorf("%d replicas were launched: those that served were not kept", len(launches))
	}

	// What was given up, and what is good, is known after a restart as well.
	r.crash()
	r = start(t, cloud, store)
	s = r.await("the service again", settled(1, 2))
	if s.RolledBack == nil || s.RolledBack.Revision != 2 || s.Good != 3 {
		t.Errorf("after a restart it says %+v, and good is %d", s.RolledBack, s.Good)
	}
	// The same again fails again; something that works clears the record.
	r.apply(broken)
	r.await("both new replicas up again", func(s serve.Service) bool {
		return s.Revision == 4 && slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.ID == 6 && r.Address != "" })
	})
	r.fail(uid, 5)
	r.await("the revision given up again", func(s serve.Service) bool { return s.Revision == 5 && s.RolledBack.Revision == 4 && settled(1, 2)(s) })
	cloud.OnProbe(func(serve.Ref) bool { return true })
	better := spec
	better.Run = "python3 better_server.py"
	r.apply(better)
	s = r.await("a better revision", func(s serve.Service) bool { return settled(7, 8)(s) && s.Good == 6 })
	if s.RolledBack != nil {
		t.Errorf("it still says %+v", s.RolledBack)
	}
}

func TestBrokenRevisionStaysWhereRollbackIsOff(t *testing.T) {
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore())
	spec := fixedSpec(1)
	spec.Rollback.Enabled = false
	uid := r.apply(spec).UID
	r.await("1/1", settled(1))
	cloud.OnProbe(func(ref serve.Ref) bool { return ref.Replica < 2 })
	spec.Run = "exit 1"
	r.apply(spec)
	r.await("the new replica up", func(s serve.Service) bool { return len(s.Replicas) == 2 && s.Replicas[1].Address != "" })
	r.fail(uid, 2)
	s := r.await("the failure", func(s serve.Service) bool { return s.Failure != "" })
	if s.Revision != 2 || s.RolledBack != nil || s.Replicas[0].Status() != serve.Ready {
		t.Errorf("revision %d, given up %v, replica 1 is %s", s.Revision, s.RolledBack, s.Replicas[0].Status())
	}
}

func TestRevisionThatNothingFitsIsRolledBack(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	spec := fixedSpec(1)
	r.apply(spec)
	r.await("a good revision", func(s serve.Service) bool { return settled(1)(s) && s.Good == 1 })
	spec.Resources.Region = "north"
	r.apply(spec)
	s := r.await("the revision given up", func(s serve.Service) bool { return s.Revision == 3 && settled(1)(s) })
	if s.RolledBack == nil || !strings.Contains(s.RolledBack.Reason, "no machine that is offered anywhere fits infra = */north") {
		t.Errorf("it says that %+v", s.RolledBack)
	}
}
