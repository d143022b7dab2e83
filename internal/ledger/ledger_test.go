// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package ledger

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ten is ten o'clock; all times here are minutes from it.
func ten(minutes float64) time.Time {
	return time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
}

func offer(zone string, market serve.Market, machine string, price float64) serve.Offer {
	return serve.Offer{Location: serve.Location{Cloud: "cloud", Region: "east", Zone: zone}, Market: market, InstanceType: machine, Price: price}
}

// offers are one type of machine in two zones.
func offers() []serve.Offer {
	return []serve.Offer{
		offer("a", serve.Spot, "m2", 0.03), offer("b", serve.Spot, "m2", 0.03),
		offer("a", serve.OnDemand, "m2", 0.10), offer("b", serve.OnDemand, "m2", 0.12),
	}
}

// up is a replica whose machine is there.
func up(id int64, o serve.Offer) serve.Replica {
	return serve.Replica{ID: id, Market: o.Market, Offer: o, Launch: serve.LaunchSucceeded}
}

// taken is a replica that has lost its machine, or will lose it.
func taken(r serve.Replica, at, until time.Time) serve.Replica {
	r.End(serve.CausePreempted, at)
	r.DrainUntil = until
	return r
}

// follow makes a ledger of samples.
func follow(samples ...Sample) serve.Ledger {
	var l serve.Ledger
	for _, s := range samples {
		l, _ = Next(l, s)
	}
	return l
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: %.10f, want %.10f", what, got, want)
	}
}

// The worked example of the package comment.
func TestTheBooksOfAnHour(t *testing.T) {
	spot := offers()[0]
	l := follow(
		Sample{At: ten(0), Replicas: []serve.Replica{up(1, spot), up(2, spot)}, Offers: offers(), Ready: 2, Target: 2},
		Sample{At: ten(30), Replicas: []serve.Replica{taken(up(1, spot), ten(30), ten(30)), up(2, spot)}, Offers: offers(), Ready: 1, Target: 2},
		Sample{At: ten(30), Replicas: []serve.Replica{up(2, spot)}, Offers: offers(), Ready: 1, Target: 2},
		Sample{At: ten(31), Replicas: []serve.Replica{up(2, spot), up(3, spot)}, Offers: offers(), Ready: 2, Target: 2},
	)
	before := asJSON(t, l)
	now := l.Until(ten(60))
	near(t, "spot hours", now.Spot.Hours, 1+29./60+30./60)
	near(t, "spent", now.Spent(), (1+59./60)*0.03)
	near(t, "saved", now.Saved, (1+59./60)*0.07)
	near(t, "below", now.BelowSeconds, 60)
	near(t, "cost per hour", now.CostPerHour(), 0.06)
	near(t, "saved per hour", now.SavedPerHour(), 0.14)
	want := []serve.Interruption{{Replica: 1, Market: serve.Spot, Location: spot.Location, At: ten(30), BelowSeconds: 60, Over: ten(31)}}
	if diff := cmp.Diff(want, now.Interruptions); diff != "" || now.Interrupted != 1 {
		t.Errorf("%d interruptions (-want +got):\n%s", now.Interrupted, diff)
	}
	line := []serve.Span{
		{At: ten(0), Spot: 2, Ready: 2, Target: 2},
		{At: ten(30), Spot: 1, Ready: 1, Target: 2, BelowSeconds: 60},
		{At: ten(31), Spot: 2, Ready: 2, Target: 2},
	}
	if diff := cmp.Diff(line, now.Timeline); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if after := asJSON(t, l); after != before {
		t.Errorf("reckoning up changed the ledger from\n%s\nto\n%s", before, after)
	}
}

func TestFallbackIsPaidButSavesNothing(t *testing.T) {
	l := follow(
		Sample{At: ten(0), Replicas: []serve.Replica{up(1, offers()[0]), up(2, offers()[3])}, Offers: offers(), Ready: 2, Target: 2},
	).Until(ten(30))
	near(t, "spot", l.Spot.Dollars, 0.015)
	near(t, "on demand", l.OnDemand.Dollars, 0.06)
	near(t, "on-demand hours", l.OnDemand.Hours, 0.5)
	near(t, "saved", l.Saved, 0.035)
}

func TestWhatASpotMachineIsComparedWith(t *testing.T) {
	spot := offer("a", serve.Spot, "m2", 0.03)
	for _, row := range []struct {
		what   string
		offers []serve.Offer
		known  float64
		want   float64
	}{
		{"the same type in the same zone, be it dearer there", []serve.Offer{offer("b", serve.OnDemand, "m2", 0.08), offer("a", serve.OnDemand, "m2", 0.10)}, 0, 0.10},
		{"the same type where it is cheapest", []serve.Offer{offer("c", serve.OnDemand, "m2", 0.12), offer("b", serve.OnDemand, "m2", 0.11), offer("a", serve.OnDemand, "m1", 0.01)}, 0, 0.11},
		{"what it was when it was last offered", []serve.Offer{offer("a", serve.OnDemand, "m4", 0.2)}, 0.10, 0.10},
		{"the cheapest machine that would do", []serve.Offer{offer("a", serve.OnDemand, "m4", 0.2), offer("a", serve.OnDemand, "m3", 0.15)}, 0, 0.15},
		{"itself when nothing is known", []serve.Offer{offer("a", serve.Spot, "m4", 0.2)}, 0, 0.03},
	} {
		if got := regular(up(1, spot), row.known, row.offers); got != row.want {
			t.Errorf("%s: %v, want %v", row.what, got, row.want)
		}
	}
}

func TestAMachineIsPaidFromLaunchToTeardown(t *testing.T) {
	spot := offers()[0]
	launching, ended := up(1, spot), up(1, spot)
	launching.Launch = serve.LaunchRunning
	ended.End(serve.CauseAppFailed, ten(20))
	gone := ended
	gone.Teardown = serve.TeardownSucceeded
	l := follow(
		Sample{At: ten(0), Replicas: []serve.Replica{launching}, Target: 1},
		Sample{At: ten(10), Replicas: []serve.Replica{up(1, spot)}, Target: 1},
		Sample{At: ten(20), Replicas: []serve.Replica{ended}, Target: 1},
		Sample{At: ten(22), Replicas: []serve.Replica{gone}, Target: 1},
	).Until(ten(60))
	near(t, "hours", l.Spot.Hours, 12./60)
	near(t, "below", l.BelowSeconds, 3600)
	if l.Interrupted != 0 {
		t.Error("a failure of the program is booked as an interruption")
	}
}

func TestTimeAloneIsNoChange(t *testing.T) {
	s := Sample{At: ten(0), Replicas: []serve.Replica{up(1, offers()[0])}, Offers: offers(), Ready: 1, Target: 2}
	l := follow(s)
	s.At, s.Offers = ten(30), nil // prices that are not known for a while change nothing either
	if after, changed := Next(l, s); changed || asJSON(t, after) != asJSON(t, l) {
		t.Errorf("half an hour changed the ledger to %+v", after)
	}
	if back := l.Until(ten(-5)); asJSON(t, back) != asJSON(t, l) {
		t.Errorf("a clock that was set back changed the ledger to %+v", back)
	}
}

// A controller that starts again goes on with what it had saved.
func TestARestartLosesNothing(t *testing.T) {
	spot := offers()[0]
	first := Sample{At: ten(0), Replicas: []serve.Replica{up(1, spot)}, Offers: offers(), Ready: 1, Target: 1}
	last := Sample{At: ten(45), Replicas: []serve.Replica{up(1, spot), up(2, spot)}, Ready: 1, Target: 1}
	var restored serve.Ledger
	if err := json.Unmarshal([]byte(asJSON(t, follow(first))), &restored); err != nil {
		t.Fatal(err)
	}
	restored, _ = Next(restored, last)
	if diff := cmp.Diff(follow(first, last), restored); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	near(t, "spent", restored.Spent(), 0.75*0.03)
	near(t, "saved", restored.Saved, 0.75*0.07)
}

func asJSON(t *testing.T, l serve.Ledger) string {
	t.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInterruptions(t *testing.T) {
	spot, other := offers()[0], offers()[1]
	t.Run("one with notice and a successor in time costs nothing, and is open until its machine is gone", func(t *testing.T) {
		noticed := taken(up(1, spot), ten(10), ten(12))
		samples := []Sample{
			{At: ten(0), Replicas: []serve.Replica{up(1, spot)}, Ready: 1, Target: 1},
			{At: ten(10), Replicas: []serve.Replica{noticed}, Ready: 1, Target: 1},
			{At: ten(11), Replicas: []serve.Replica{noticed, up(2, other)}, Ready: 1, Target: 1},
		}
		if l := follow(samples...); l.Interruptions[0].NoticeSeconds != 120 || !l.Interruptions[0].Over.IsZero() {
			t.Errorf("under notice: %+v", l.Interruptions)
		}
		l := follow(append(samples, Sample{At: ten(12), Replicas: []serve.Replica{up(2, other)}, Ready: 1, Target: 1})...)
		if one := l.Interruptions[0]; one.BelowSeconds != 0 || !one.Over.Equal(ten(12)) {
			t.Errorf("made good: %+v", one)
		}
	})
	t.Run("two at once are two, and each has the time it took", func(t *testing.T) {
		l := follow(
			Sample{At: ten(0), Replicas: []serve.Replica{up(1, spot), up(2, other)}, Ready: 2, Target: 2},
			Sample{At: ten(1), Replicas: []serve.Replica{taken(up(1, spot), ten(1), ten(1)), taken(up(2, other), ten(1), ten(1))}, Target: 2},
			Sample{At: ten(1.5), Replicas: []serve.Replica{up(3, spot)}, Ready: 1, Target: 2},
			Sample{At: ten(2), Replicas: []serve.Replica{up(3, spot), up(4, spot)}, Ready: 2, Target: 2},
		)
		near(t, "below", l.BelowSeconds, 60)
		for _, one := range l.Interruptions {
			near(t, "an interruption", one.BelowSeconds, 60)
		}
		if l.Interrupted != 2 {
			t.Errorf("there are %d", l.Interrupted)
		}
	})
	t.Run("one seen up and lost at once counts, one that never came up does not", func(t *testing.T) {
		never := taken(up(2, spot), ten(1), ten(1))
		never.Launch = serve.LaunchRunning
		l := follow(
			Sample{At: ten(0), Target: 1},
			Sample{At: ten(1), Replicas: []serve.Replica{taken(up(1, spot), ten(1), ten(1)), never}, Target: 1},
		)
		if l.Interrupted != 1 || l.Interruptions[0].Replica != 1 {
			t.Errorf("interruptions: %+v", l.Interruptions)
		}
	})
	t.Run("fifty are listed and all are counted", func(t *testing.T) {
		var l serve.Ledger
		for i := range 120 {
			l, _ = Next(l, Sample{At: ten(float64(i)), Replicas: []serve.Replica{taken(up(int64(i), spot), ten(float64(i)), ten(float64(i)))}, Target: 1})
		}
		if len(l.Interruptions) != maxInterruptions || l.Interrupted != 120 || l.Interruptions[maxInterruptions-1].Replica != 119 {
			t.Errorf("%d of %d are listed", len(l.Interruptions), l.Interrupted)
		}
	})
}

// However much happens, the timeline stays short, keeps the areas under its
// lines, and shows the last things one by one.
func TestTheTimelineIsThinned(t *testing.T) {
	var l serve.Ledger
	var hours, below float64
	const changes = 5000
	for i := range changes {
		replicas := []serve.Replica{up(1, offers()[0]), up(2, offers()[0])}[:1+i%2]
		l, _ = Next(l, Sample{At: ten(float64(i)), Replicas: replicas, Ready: 1 + i%2, Target: 2})
		if i < changes-1 {
			hours += float64(1+i%2) / 60
			below += float64(1-i%2) * 60
		}
	}
	if len(l.Timeline) > maxSpans {
		t.Fatalf("the timeline has %d spans", len(l.Timeline))
	}
	var drawn, short float64
	for i, s := range l.Timeline[:len(l.Timeline)-1] {
		drawn += s.Spot * l.Timeline[i+1].At.Sub(s.At).Hours()
		short += s.BelowSeconds
	}
	if math.Abs(drawn-hours) > 1e-6 || math.Abs(l.Spot.Hours-hours) > 1e-6 || math.Abs(short-below) > 1e-6 {
		t.Errorf("%v hours are drawn and %v booked of %v; %v seconds below of %v", drawn, l.Spot.Hours, hours, short, below)
	}
	if !l.Timeline[0].At.Equal(ten(0)) {
		t.Error("the beginning is cut off")
	}
	recent := l.Timeline[len(l.Timeline)-10:]
	if !slices.ContainsFunc(recent, func(s serve.Span) bool { return s.Spot == 1 }) || recent[9].At.Sub(recent[0].At) != 9*time.Minute {
		t.Errorf("the last spans are %+v", recent)
	}
}

func TestWhatRequestsAreCharged(t *testing.T) {
	l := serve.Ledger{Interruptions: []serve.Interruption{{Replica: 1, RequestsLost: 1}, {Replica: 2}}}
	before := asJSON(t, l)
	charged, rest := Charge(l, map[int64]Toll{1: {Retried: 3, Lost: 1}, 7: {Lost: 4}})
	want := []serve.Interruption{{Replica: 1, RequestsRetried: 3, RequestsLost: 2}, {Replica: 2}}
	if diff := cmp.Diff(want, charged.Interruptions); diff != "" {
		t.Errorf("interruptions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[int64]Toll{7: {Lost: 4}}, rest); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	if after := asJSON(t, l); after != before {
		t.Errorf("charging changed the ledger from\n%s\nto\n%s", before, after)
	}
	if same, rest := Charge(charged, nil); len(rest) != 0 || asJSON(t, same) != asJSON(t, charged) {
		t.Errorf("nothing was charged: %+v, %v", same, rest)
	}
}
