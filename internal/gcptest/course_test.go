// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// status gives the state of an instance in the books.
func (r *rig) status(name string) string {
	i, _ := r.gcp.Books().Instance(name)
	return i.State
}

// done gives the kinds of the operations that are done to an instance, one after the
// other.
func (r *rig) done() []string {
	var out []string
	for _, o := range r.gcp.Books().Operations {
		out = append(out, o.Kind)
	}
	return out
}

func TestAnInstanceComesAndGoesInItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, gcptest.Options{Pending: 20 * time.Second, Stopping: 10 * time.Second})
		start := time.Now()
		o, err := r.instances.Insert(t.Context(), request("web-1"))
		if err != nil {
			t.Fatal(err)
		}
		if o.Done() {
			t.Error("the operation is done at once")
		}
		for _, row := range []struct {
			at   time.Duration
			want string
		}{{0, "PROVISIONING"}, {10 * time.Second, "STAGING"}, {19 * time.Second, "STAGING"}} {
			<-time.After(row.at - time.Since(start))
			if got := r.status("web-1"); got != row.want {
				t.Errorf("after %v it is %s, want %s", row.at, got, row.want)
			}
		}
		if err := r.wait(zone, o.Name()); err != nil || time.Since(start) != 20*time.Second || r.status("web-1") != "RUNNING" {
			t.Errorf("after %v it is %s, %v", time.Since(start), r.status("web-1"), err)
		}
		d, err := r.instances.Delete(t.Context(), &computepb.DeleteInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: "web-1"})
		if err != nil || r.status("web-1") != "STOPPING" {
			t.Fatalf("it is %s, %v", r.status("web-1"), err)
		}
		if err := r.insert(request("web-1")); reason(err) != "alreadyExists" {
			t.Errorf("its name is free while it stops: %v", err)
		}
		if err := r.wait(zone, d.Name()); err != nil || time.Since(start) != 30*time.Second || r.status("web-1") != "" {
			t.Errorf("after %v it is %s, %v", time.Since(start), r.status("web-1"), err)
		}
	})
}

func TestAnOperationIsWaitedForTwoMinutesAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, gcptest.Options{Pending: 5 * time.Minute})
		o, err := r.instances.Insert(t.Context(), request("web-1"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		in := &computepb.WaitZoneOperationRequest{Project: gcptest.Project, Zone: zone, Operation: o.Name()}
		got, err := r.operations.Wait(t.Context(), in)
		if err != nil || got.GetStatus() == computepb.Operation_DONE || time.Since(start) != 2*time.Minute {
			t.Errorf("after %v it is %v, %v", time.Since(start), got.GetStatus(), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = r.operations.Wait(ctx, in) // whatever the client makes of its being late
		if time.Since(start) != 2*time.Minute+time.Second {
			t.Errorf("whoever has gone is waited for until %v", time.Since(start))
		}
	})
}

func TestASpotMachineIsTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, gcptest.Options{Stopping: 30 * time.Second})
		r.run("web-1", inSpot)
		r.run("web-2", inSpot, func(in *computepb.InsertInstanceRequest) {
			in.InstanceResource.Scheduling.InstanceTerminationAction, in.InstanceResource.Scheduling.PreemptionNoticeDuration = nil, nil
		})
		r.gcp.Preempt("web-1", 10*time.Second)
		r.gcp.Preempt("web-2", 10*time.Second) // which has not asked for any
		if a, b := r.status("web-1"), r.status("web-2"); a != "RUNNING" || b != "STOPPING" {
			t.Errorf("the one with notice is %s, the other %s", a, b)
		}
		<-time.After(10 * time.Second)
		if i, _ := r.gcp.Books().Instance("web-1"); i.State != "STOPPING" || i.Reason != "compute.instances.preempted" {
			t.Errorf("after its notice it is %+v", i)
		}
		<-time.After(30 * time.Second)
		if a, b := r.status("web-1"), r.status("web-2"); a != "" || b != "TERMINATED" {
			t.Errorf("the one that is to be deleted is %s, the other %s", a, b)
		}
		want := []string{"insert", "insert", "compute.instances.preempted", "compute.instances.preempted"}
		if got := r.done(); !slices.Equal(got, want) {
			t.Errorf("the operations are %q, want %q", got, want)
		}
		if r.gcp.Preempt("web-1", 0) {
			t.Error("it is taken back twice")
		}
	})
}

func TestAnInstanceWhoseHardwareFailsIsStartedAgainIfItIsTo(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("kept")
	r.run("lost", func(in *computepb.InsertInstanceRequest) {
		in.InstanceResource.Scheduling = &computepb.Scheduling{AutomaticRestart: new(false)}
	})
	r.gcp.Fail("kept")
	r.gcp.Fail("lost")
	if a, b := r.status("kept"), r.status("lost"); a != "RUNNING" || b != "TERMINATED" {
		t.Errorf("the one is %s, the other %s", a, b)
	}
	if i, _ := r.gcp.Books().Instance("lost"); !i.Live() || i.Reason != "compute.instances.hostError" {
		t.Errorf("the books have %+v", i)
	}
	if got := r.done(); !slices.Contains(got, "compute.instances.automaticRestart") {
		t.Errorf("the operations are %q", got)
	}
}

func TestAnInstanceIsStoppedAndStarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("web-1")
	stop, err := r.instances.Stop(t.Context(), &computepb.StopInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: "web-1"})
	if err == nil {
		err = r.wait(zone, stop.Name())
	}
	if err != nil || r.status("web-1") != "TERMINATED" || len(r.gcp.Books().Disks) != 1 {
		t.Fatalf("it is %s, %v", r.status("web-1"), err)
	}
	r.gcp.Exhaust(gcptest.Pool{})
	start := func() error {
		o, err := r.instances.Start(t.Context(), &computepb.StartInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: "web-1"})
		if err != nil {
			return err
		}
		return r.wait(zone, o.Name())
	}
	if err := start(); err == nil || r.status("web-1") != "TERMINATED" {
		t.Errorf("it is %s where there is nothing, %v", r.status("web-1"), err)
	}
	r.gcp.Refill(gcptest.Pool{})
	if err := start(); err != nil || r.status("web-1") != "RUNNING" {
		t.Errorf("it is %s, %v", r.status("web-1"), err)
	}
}

func TestACloudIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("kept")
	r.run("spot", inSpot)
	r.gcp.Down(true)
	// Whoever only asks is asked again by the clients themselves.
	if err := r.insert(request("more")); reason(err) != "backendError" {
		t.Errorf("a cloud that is lost says %v", err)
	}
	if a, b := r.status("kept"), r.status("spot"); a != "TERMINATED" || b != "" {
		t.Errorf("the one is %s, the spot machine %s", a, b)
	}
	r.gcp.Down(false)
	if i, err := r.described("kept"); err != nil || i.GetStatus() != "RUNNING" {
		t.Errorf("afterwards it is %s, %v", i.GetStatus(), err)
	}
}

func TestAZoneThatNobodyKnowsOfIsNotEmpty(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("web-1")
	r.run("web-2", inZone("us-central1-f"))
	r.gcp.LoseZone(zone, true)
	if err := r.insert(request("web-3")); reason(err) != "backendError" {
		t.Errorf("the zone itself says %v", err)
	}
	list := func() (names []string, warning string) {
		t.Helper()
		for it := r.instances.AggregatedList(t.Context(), &computepb.AggregatedListInstancesRequest{Project: gcptest.Project}); ; {
			pair, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return names, warning
			} else if err != nil {
				t.Fatal(err)
			}
			if pair.Key == "zones/"+zone {
				warning = pair.Value.GetWarning().GetCode()
			}
			for _, i := range pair.Value.GetInstances() {
				names = append(names, i.GetName())
			}
		}
	}
	if names, warning := list(); !slices.Equal(names, []string{"web-2"}) || warning != "UNREACHABLE" {
		t.Errorf("of all zones there is %q, with the warning %s", names, warning)
	}
	r.gcp.LoseZone(zone, false)
	if names, _ := list(); len(names) != 2 || len(r.gcp.Books().Live()) != 2 {
		t.Errorf("afterwards there is %q", names)
	}
}

func TestListsAreBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, gcptest.Options{})
		r.gcp.Lag(5 * time.Second)
		r.run("web-1")
		if got, err := r.names(""); err != nil || len(got) > 0 {
			t.Errorf("there are %q at once, %v", got, err)
		}
		if _, err := r.described("web-1"); err != nil {
			t.Errorf("whoever asks for it is told %v", err)
		}
		<-time.After(5 * time.Second)
		if err := r.remove("web-1"); err != nil {
			t.Fatal(err)
		}
		if got, err := r.names(""); err != nil || len(got) != 1 {
			t.Errorf("there are %q after it, %v", got, err)
		}
		if _, err := r.described("web-1"); reason(err) != "notFound" {
			t.Errorf("whoever asks for it is told %v", err)
		}
	})
}

func TestThingsGoWrongWhenATestSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.gcp.FailNext("compute.instances.insert", gcptest.InternalError(), gcptest.Throttled())
	for _, want := range []string{"backendError", "rateLimitExceeded", "none"} {
		if err := r.insert(request("web-1")); reason(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	r.gcp.Fault(func(c gcptest.Call) gcptest.Verdict {
		if c.Method == "compute.instances.get" && c.Caller == gcptest.Owner && c.Parameters["instance"] == "web-1" {
			return gcptest.Verdict{Lose: true}
		}
		return gcptest.Verdict{}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.instances.Get(ctx, &computepb.GetInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: "web-1"}); err == nil {
		t.Error("an answer that was lost came")
	} else if errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.gcp.Fault(nil)
}

func TestComputeEngineIsAskedSoOftenAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, gcptest.Options{})
		r.run("web-1")
		r.gcp.Throttle(true)
		answered := func() (n int) {
			for ; n < 3000; n++ {
				if _, err := r.described("web-1"); reason(err) == "rateLimitExceeded" {
					break
				}
			}
			return n
		}
		if n := answered(); n != 1500 {
			t.Errorf("%d questions were answered at once", n)
		}
		<-time.After(2 * time.Second)
		if n := answered(); n != 50 {
			t.Errorf("%d questions were answered two seconds later", n)
		}
	})
}
