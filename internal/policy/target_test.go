// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// at once switches the delays off.
func atOnce(p *serve.ReplicaPolicy) { p.UpscaleDelaySeconds, p.DownscaleDelaySeconds = 0, 0 }

func qps(v float64) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica = &serve.QPS{Each: v} }
}

func underWay(v float64) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) { p.TargetConcurrencyPerReplica = v }
}

func TestWhatIsUnderWayAsksForReplicas(t *testing.T) {
	t.Parallel()
	both := func(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica = &serve.QPS{Each: 1} }
	alone := func(*serve.ReplicaPolicy) {}
	for _, row := range []struct {
		name        string
		least       int
		target      float64
		and         func(*serve.ReplicaPolicy)
		requests    int
		concurrency float64
		want        int
	}{
		{"nothing is under way", 0, 4, alone, 0, 0, 0},
		{"nothing is under way, and one is kept", 1, 4, alone, 0, 0, 1},
		{"one that has just come wakes a service", 0, 4, alone, 1, 0, 1},
		{"one that takes long keeps it awake", 0, 4, alone, 0, 0.01, 1},
		{"as many as one takes", 0, 4, alone, 10, 4, 1},
		{"a little more", 0, 4, alone, 10, 4.01, 2},
		{"many", 0, 4, alone, 10, 31, 8},
		{"never more than the maximum", 0, 4, alone, 10, 1e300, 10},
		{"few long ones beside a target for many short ones", 1, 4, both, 60, 20, 5},
		{"many short ones beside a target for long ones", 1, 4, both, 360, 1, 6},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(scaling(row.least, 10), noQPS, underWay(row.target), row.and, atOnce))
			w.in.Requests, w.in.Concurrency = row.requests, row.concurrency
			if w.decide(); w.out.Target != row.want {
				t.Errorf("the target is %d, not %d", w.out.Target, row.want)
			}
			if w.out.Next.IsZero() {
				t.Error("the load is not looked at again")
			}
		})
	}
}

func TestAnExternalMetricAsksForReplicas(t *testing.T) {
	t.Parallel()
	metric := func(p *serve.ReplicaPolicy) {
		p.TargetQPSPerReplica, p.ExternalMetric = nil, &serve.ExternalMetric{URL: "http://queue", TargetPerReplica: 10}
	}
	for value, want := range map[float64]int{0: 0, -5: 0, 0.1: 1, 10: 1, 10.5: 2, 99: 10, 1e300: 10} {
		w := newWorld(t, onDemandSpec(scaling(0, 10), metric, atOnce))
		w.in.Metric = &value
		if w.decide(); w.out.Target != want {
			t.Errorf("%v asks for %d replicas, not %d", value, w.out.Target, want)
		}
	}
	w := newWorld(t, onDemandSpec(scaling(0, 10), metric, atOnce))
	w.remember(4)
	w.in.Requests = 0
	if w.decide(); w.out.Target != 4 {
		t.Errorf("while it is not known the target becomes %d", w.out.Target)
	}
}

// A schedule moves the limits at its hour, of what scales and of what does not.
func TestSchedulesMoveTheLimits(t *testing.T) {
	t.Parallel()
	hours := func(least, most int) func(*serve.ReplicaPolicy) {
		return func(p *serve.ReplicaPolicy) {
			p.Schedules = []serve.Schedule{{From: "12:30", To: "14:00", MinReplicas: least, MaxReplicas: most}}
		}
	}
	w := newWorld(t, onDemandSpec(scaling(1, 2), qps(1), atOnce, hours(3, 5)))
	step := func(when time.Duration, requests, want int) {
		t.Helper()
		w.now, w.in.Requests = noon().Add(when), requests
		if w.decide(); w.out.Target != want {
			t.Errorf("after %v the target is %d, want %d", when, w.out.Target, want)
		}
	}
	step(29*time.Minute, 600, 2)
	step(29*time.Minute+50*time.Second, 600, 2)
	if at := noon().Add(30 * time.Minute); w.out.Next.After(at) {
		t.Errorf("it looks again %v, want by %v", w.out.Next, at)
	}
	step(30*time.Minute, 600, 5)
	step(31*time.Minute, 0, 3)
	step(119*time.Minute+50*time.Second, 600, 5)
	step(2*time.Hour, 600, 2)

	w = newWorld(t, onDemandSpec(scaling(1, 1), noQPS, hours(4, 4)))
	step(0, 0, 1)
	if at := noon().Add(30 * time.Minute); !w.out.Next.Equal(at) {
		t.Errorf("it looks again %v, want %v", w.out.Next, at)
	}
	step(30*time.Minute, 0, 4)
	step(2*time.Hour, 0, 1)
}

// noQPS takes back what scaling sets.
func noQPS(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica = nil }

func TestLoadAsksForReplicas(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name           string
		qps            float64
		requests, want int
	}{
		{"A1 no request, and at least one replica", 1, 0, 1},
		{"A1 one request", 1, 1, 1},
		{"A1 as many as one replica takes", 1, 60, 1},
		{"A1 one too many for one", 1, 61, 2},
		{"A1 as many as two take", 1, 120, 2},
		{"A1 one too many for two", 1, 121, 3},
		{"A2 a fraction per replica", 2.5, 1500, 10},
		{"A2 never more than the maximum", 2.5, 2000, 10},
		{"42 requests at a tenth are 7 replicas, whatever floats make of it", 0.1, 42, 7},
		{"and 9 at three hundredths are 5", 0.03, 9, 5},
		{"a tiny target does not overflow", 1e-300, 1, 10},
		{"a huge one is met by one", 1e300, 1 << 40, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(scaling(1, 10), qps(row.qps), atOnce))
			w.in.Requests = row.requests
			w.decide()
			if w.out.Target != row.want {
				t.Errorf("the target is %d, not %d", w.out.Target, row.want)
			}
		})
	}
	t.Run("whole numbers stay whole", func(t *testing.T) {
		t.Parallel()
		for n := 1; n <= 100; n++ {
			w := newWorld(t, onDemandSpec(scaling(1, 1000), qps(0.1), atOnce))
			w.in.Requests = 6 * n
			if w.decide(); w.out.Target != n {
				t.Errorf("%d requests at 0.1 per second ask for %d replicas, not %d", 6*n, w.out.Target, n)
			}
		}
	})
}

// asks evaluates every 20 seconds with loads that ask for the given numbers of
// replicas, and gives the targets.
func (w *world) asks(computed ...int) []int {
	w.t.Helper()
	var targets []int
	for _, c := range computed {
		w.in.Requests = 60 * c
		w.step()
		targets = append(targets, w.out.Target)
		w.pass(20 * time.Second)
	}
	return targets
}

func repeat(computed, times int) []int {
	all := make([]int, times)
	for i := range all {
		all[i] = computed
	}
	return all
}

func TestTargetFollowsTheLoadWithDelay(t *testing.T) {
	t.Parallel()
	up := func(seconds float64) func(*serve.ReplicaPolicy) {
		return func(p *serve.ReplicaPolicy) { p.UpscaleDelaySeconds = seconds }
	}
	rows := []struct {
		name   string
		policy []func(*serve.ReplicaPolicy)
		target int
		asks   []int
		want   []int
	}{
		{"A3 the 15th evaluation raises the target", nil, 2, repeat(3, 15), append(repeat(2, 14), 3)},
		{"A4 to what the last one asks for", nil, 2, append([]int{4, 4}, repeat(5, 13)...), append(repeat(2, 14), 5)},
		{"A5 a lull begins the wait anew", []func(*serve.ReplicaPolicy){up(60)}, 1, []int{2, 2, 1, 2, 2, 2}, []int{1, 1, 1, 1, 1, 2}},
		{"A6 the 60th lowers it", nil, 3, repeat(1, 60), append(repeat(3, 59), 1)},
		{"A7 a delay of 20 s is none", []func(*serve.ReplicaPolicy){up(20)}, 2, []int{3}, []int{3}},
		{"A7 nor is 0", []func(*serve.ReplicaPolicy){up(0)}, 2, []int{3}, []int{3}},
		{"A7 nor is 39", []func(*serve.ReplicaPolicy){up(39)}, 2, []int{3}, []int{3}},
		{"A7 a delay of 40 s is two evaluations", []func(*serve.ReplicaPolicy){up(40)}, 2, []int{3, 3}, []int{2, 3}},
		{"a dip below the target ends the wait for more", []func(*serve.ReplicaPolicy){up(60)}, 2, []int{3, 3, 1, 3, 3, 3}, []int{2, 2, 2, 2, 2, 3}},
		{"a peak ends the wait for fewer", []func(*serve.ReplicaPolicy){func(p *serve.ReplicaPolicy) { p.DownscaleDelaySeconds = 60 }}, 3, []int{1, 1, 4, 1, 1, 1}, []int{3, 3, 3, 3, 3, 1}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(append([]func(*serve.ReplicaPolicy){scaling(1, 10)}, row.policy...)...))
			w.remember(row.target)
			if got := w.asks(row.asks...); fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("the targets were %v, not %v", got, row.want)
			}
		})
	}
}

func TestDelayIsTimeNotTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(scaling(1, 10)))
	w.in.Requests = 600
	for range 279 {
		w.step()
		if w.out.Target != 1 {
			t.Fatalf("the target is %d after %v", w.out.Target, w.now.Sub(noon()))
		}
		w.pass(time.Second)
	}
	w.step()
	if want := noon().Add(280 * time.Second); !w.out.Next.Equal(want) {
		t.Errorf("Next is %v, and the delay ends at %v", w.out.Next, want)
	}
	w.pass(time.Second)
	w.step()
	if w.out.Target != 10 {
		t.Errorf("the target is %d after 280 s", w.out.Target)
	}
}

func TestServiceSleepsAndWakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(scaling(0, 1)))
	w.want("A8 a service that may sleep begins asleep", "")
	if got := w.out.Next.Sub(w.now); got != 5*time.Second {
		t.Errorf("A8 asleep, Next is in %v", got)
	}
	w.in.Requests = 1
	w.want("A8 one request wakes it", "launch on-demand 1")
	if got := w.out.Next.Sub(w.now); got != 20*time.Second {
		t.Errorf("A8 awake, Next is in %v", got)
	}
	w.become(1, serve.Ready)
	if got := w.asks(repeat(0, 59)...); got[58] != 1 {
		t.Errorf("it sleeps before its delay is over: %v", got)
	}
	w.want("no request for 1200 s", "remove 1")
	w.vanish(1)
	w.want("asleep again", "")
}

func TestOverprovisionSleepsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(scaling(0, 1), overprovision(1)))
	w.want("nothing is wanted", "")
	w.in.Requests = 1
	w.want("one, and one more", "launch on-demand 1, launch on-demand 2")
}

func TestWithoutTargetLoadMeansNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = 2, 2 }))
	w.in.Requests = 1 << 30
	w.want("A9 traffic", "launch on-demand 1, launch on-demand 2")
	if w.out.Target != 2 || !w.out.Next.IsZero() {
		t.Errorf("A9 the target is %d and Next %v", w.out.Target, w.out.Next)
	}
	w.in.Revision++
	w.in.Spec.ReplicaPolicy = serve.FixedReplicas(5)
	w.step()
	if w.out.Target != 5 {
		t.Errorf("the target is %d at once after an update to 5", w.out.Target)
	}
}

func TestLaunchesFillTheTarget(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		policy   []func(*serve.ReplicaPolicy)
		target   int
		replicas []string
		want     string
	}{
		{
			"A10 terminal replicas do not count", []func(*serve.ReplicaPolicy){scaling(1, 3)}, 3,
			[]string{"1 on-demand READY", "2 on-demand FAILED_PROBING", "3 on-demand FAILED_PROBING", "4 on-demand SHUTTING_DOWN"},
			"launch on-demand 5, launch on-demand 6",
		},
		{
			"A11 overprovision comes on top", []func(*serve.ReplicaPolicy){scaling(1, 3), overprovision(1)}, 2,
			nil, "launch on-demand 1, launch on-demand 2, launch on-demand 3",
		},
		{
			"a replica that is not ready counts", []func(*serve.ReplicaPolicy){scaling(1, 3)}, 2,
			[]string{"1 on-demand NOT_READY", "2 on-demand STARTING"}, "",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(row.policy...), row.replicas...)
			w.remember(row.target)
			w.want(row.name, row.want)
		})
	}
}

// A12 is the balancer's promise to count; here it is kept.
func TestRefusedRequestsCountTowardsTheRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(scaling(1, 3), atOnce), "1 on-demand STARTING")
	w.in.Requests = 180
	w.want("nothing is ready, and clients ask", "launch on-demand 2, launch on-demand 3")
}

func TestUpdateKeepsWhatTheLoadNeeds(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		policy []func(*serve.ReplicaPolicy)
		want   int
	}{
		{"the same limits keep the target", []func(*serve.ReplicaPolicy){scaling(1, 10)}, 4},
		{"a lower maximum clips it", []func(*serve.ReplicaPolicy){scaling(1, 3)}, 3},
		{"a higher minimum raises it", []func(*serve.ReplicaPolicy){scaling(6, 10)}, 6},
		{"the new rate counts, not the old one", []func(*serve.ReplicaPolicy){scaling(1, 10), qps(0.5)}, 6},
		{"a service that may sleep now stays awake under load", []func(*serve.ReplicaPolicy){scaling(0, 1)}, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(scaling(1, 10)))
			w.remember(4)
			w.in.Requests = 180
			w.step()
			w.update(func(s *serve.Spec) { *s = onDemandSpec(row.policy...) })
			if w.step(); w.out.Target != row.want {
				t.Errorf("the target is %d, not %d", w.out.Target, row.want)
			}
			if !w.in.Memory.Load.Above.IsZero() {
				t.Error("the wait for more goes on over the update")
			}
		})
	}
}

// After a restart the requests of the time before are not known.
func TestPauseBeginsTheWaitAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(scaling(1, 3), atOnce), "1 on-demand READY", "2 on-demand READY", "3 on-demand READY")
	w.remember(3)
	w.want("load for three", "")
	w.pass(time.Hour)
	w.in.Requests = 0
	w.want("nothing was counted for an hour", "")
	w.pass(40 * time.Second)
	w.want("not even for a whole window", "")
	w.pass(20 * time.Second)
	w.want("a whole window without a request", "remove 3, remove 2")

	w = newWorld(t, onDemandSpec(scaling(1, 3)))
	w.in.Requests = 180
	w.step()
	w.pass(time.Hour)
	if w.step(); w.out.Target != 1 {
		t.Errorf("an hour nobody looked counts as an hour of load: target %d", w.out.Target)
	}
}

func TestWeightOfAccelerators(t *testing.T) {
	t.Parallel()
	q := &serve.QPS{PerAccelerator: map[string]float64{"A100": 2.5, "A100:8": 20, "H100:4": 8, "H100:2": 4, "A10G": 0.5}}
	rows := []struct {
		q            *serve.QPS
		accelerators string
		want         float64
	}{
		{q, "A100:8", 20},
		{q, "A100", 2.5},
		{q, "A100:1", 2.5},
		{q, "A100:4", 2.5},
		{q, "H100:4", 8},
		{q, "H100:1", 4},
		{q, "H100", 4},
		{q, "T4:1", 0.5},
		{q, "", 0.5},
		{&serve.QPS{Each: 3}, "A100:1", 1},
		{nil, "A100:1", 1},
	}
	for _, row := range rows {
		if got := policy.Weight(row.q, row.accelerators); got != row.want {
			t.Errorf("%q weighs %v, not %v", row.accelerators, got, row.want)
		}
	}
}

// kinds is a policy for an H100 that takes 2.5 and an A10 that takes 0.5
// requests per second.
func kinds(least, most int) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) {
		scaling(least, most)(p)
		atOnce(p)
		p.TargetQPSPerReplica = &serve.QPS{PerAccelerator: map[string]float64{"H100": 2.5, "A10": 0.5}}
	}
}

func kindsSpec(change ...func(*serve.ReplicaPolicy)) serve.Spec {
	spec := onDemandSpec()
	spec.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
	for _, c := range change {
		c(&spec.ReplicaPolicy)
	}
	return spec
}

func TestReplicasOfDifferentStrength(t *testing.T) {
	t.Parallel()
	const strong, weak = "H100:1", "A10:1"
	type replica struct {
		status       serve.Status
		accelerators string
	}
	rows := []struct {
		name     string
		replicas []replica
		requests int
		target   int
		want     string
	}{
		{"it wakes from zero by the strongest kind", nil, 151, 2, "launch on-demand 1, launch on-demand 2"},
		{"it sleeps when nothing is asked", []replica{{serve.Ready, strong}}, 0, 0, "remove 1"},
		{"what is there is enough", []replica{{serve.Ready, strong}}, 149, 1, ""},
		{"of two, one that is just reached is not enough", []replica{{serve.Ready, strong}, {serve.Ready, weak}}, 150, 2, ""},
		{"what is there is just reached", []replica{{serve.Ready, strong}}, 150, 1, ""},
		{"a strong one is added for what is too much", []replica{{serve.Ready, weak}}, 60, 2, "launch on-demand 2"},
		{"failed and old replicas carry nothing", []replica{{serve.FailedProbing, strong}, {serve.Ready, strong}}, 160, 2, "launch on-demand 3"},
		{"the strong one alone is enough, and the weak one goes", []replica{{serve.Ready, strong}, {serve.Ready, weak}}, 100, 1, "remove 2"},
		{"who is least advanced goes before who is weakest", []replica{{serve.Ready, weak}, {serve.Provisioning, strong}}, 20, 1, "remove 2"},
		{"those on their way are counted on when they are needed", []replica{{serve.Ready, weak}, {serve.Starting, weak}}, 40, 2, ""},
		{"an unknown kind counts as the weakest", []replica{{serve.Ready, "T4:1"}, {serve.Ready, "T4:1"}}, 59, 2, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kindsSpec(kinds(0, 5)))
			for i, r := range row.replicas {
				w.add(fmt.Sprintf("%d on-demand %s", i+1, r.status))
				w.in.Replicas[i].Offer.Accelerators = r.accelerators
			}
			w.remember(row.target)
			w.in.Memory.Target = max(1, len(row.replicas))
			w.in.Requests = row.requests
			if got := w.step(); got != row.want || w.out.Target != row.target {
				t.Errorf("got  %q at target %d\nwant %q at target %d", got, w.out.Target, row.want, row.target)
			}
		})
	}
}

func TestStandInsDoNotSwayTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kindsSpec(kinds(1, 5), dynamic), "1 spot STARTING", "2 spot STARTING", "3 on-demand READY")
	spot := true
	w.in.Spec.Resources.UseSpot = &spot
	w.in.Replicas[0].Offer.Accelerators = "A10:1"
	w.in.Replicas[1].Offer.Accelerators = "A10:1"
	w.in.Replicas[2].Offer.Accelerators = "H100:1"
	w.remember(2)
	w.in.Requests = 59
	if w.decide(); w.out.Target != 2 {
		t.Errorf("the target is %d: the strong stand-in is counted, and will be gone", w.out.Target)
	}
}

func TestUpdateBetweenKindsOfTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kindsSpec(kinds(1, 5)))
	w.want("one", "launch on-demand 1")
	w.update(func(s *serve.Spec) { *s = onDemandSpec(scaling(2, 5)) })
	w.want("from strengths to one number", "relabel 1, launch on-demand 2")
	w.update(func(s *serve.Spec) { *s = kindsSpec(kinds(1, 5)) })
	w.want("and back, where one is enough", "relabel 1, relabel 2, remove 2")
}
