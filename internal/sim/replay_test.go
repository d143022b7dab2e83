// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/sim"
)

func parse(t testing.TB, text string) *sim.Trace {
	t.Helper()
	trace, err := sim.ParseTrace([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func replay(t testing.TB, trace *sim.Trace, spec serve.Spec, o sim.ReplayOptions) sim.Result {
	t.Helper()
	if o.PriceRatio == 0 {
		o.PriceRatio = 3
	}
	o.Timeline = true
	result, err := sim.Replay(trace, spec, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Steps of a minute, and a cold start of two.
const coldStart = 2 * time.Minute

// The accounting, by hand: one replica, which is lost at the sixth step.
func TestReplayAccounts(t *testing.T) {
	t.Parallel()
	trace := parse(t, `{"set": "by hand", "gap_seconds": 60, "ceiling": 1, "zones": {"r-1a": [1,1,1,1,1,0,0,0,1,1,1,1]}}`)
	got := replay(t, trace, spotSpec(1, ""), sim.ReplayOptions{ColdStart: coldStart})
	want := &sim.Timeline{
		// The stand-in leaves when the spot replica is ready, with the third step,
		// and another comes when it is lost; that leaves in turn with the eleventh,
		// two minutes after there is capacity again.
		Spot:     []int{1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1},
		OnDemand: []int{1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0},
		Ready:    []int{0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1},
		Held:     [][]int{{1}, {1}, {1}, {1}, {1}, {0}, {0}, {0}, {1}, {1}, {1}, {1}},
	}
	if diff := cmp.Diff(want, got.Timeline); diff != "" {
		t.Errorf("step by step (-want +got):\n%s", diff)
	}
	got.Timeline = nil
	// Ten steps count, those after the first cold start: 7 spot and 5 on-demand ones.
	if diff := cmp.Diff(sim.Result{
		CostVsOnDemand: (7 + 3*5) / (3 * 10.0), Availability: 8 / 10.0, Served: 8 / 10.0, Low: 2 / 10.0,
		Preemptions: 1, SpotLaunches: 2, OnDemandLaunches: 2, OnDemandShare: 5 / 12.0,
	}, got); diff != "" {
		t.Errorf("in sum (-want +got):\n%s", diff)
	}
}

// With a notice as long as the cold start nothing is missing at any time.
func TestReplayGivesNotice(t *testing.T) {
	t.Parallel()
	trace := parse(t, `{"gap_seconds": 60, "ceiling": 1, "zones": {"r-1a": [1,1,1,1,1,0,0,0,0,0]}}`)
	got := replay(t, trace, spotSpec(1, ""), sim.ReplayOptions{ColdStart: coldStart, Notice: coldStart + time.Second})
	if got.Availability != 1 || got.Preemptions != 1 {
		t.Errorf("it is available %v, and %d machines are taken", got.Availability, got.Preemptions)
	}
	// The zone would grant another machine, and take it with the first.
	if diff := cmp.Diff([]int{1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, got.Timeline.Spot); diff != "" {
		t.Errorf("spot machines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{0, 0, 1, 1, 1, 1, 1, 1, 1, 1}, got.Timeline.Ready); diff != "" {
		t.Errorf("ready (-want +got):\n%s", diff)
	}
	late := replay(t, trace, spotSpec(1, ""), sim.ReplayOptions{ColdStart: coldStart, Notice: 59 * time.Second})
	if diff := cmp.Diff([]int{0, 0, 1, 1, 1, 0, 0, 1, 1, 1}, late.Timeline.Ready); diff != "" {
		t.Errorf("a notice shorter than a step comes too late (-want +got):\n%s", diff)
	}
}

func TestReplayTakesTheYoungest(t *testing.T) {
	t.Parallel()
	trace := parse(t, `{"gap_seconds": 60, "ceiling": 4, "zones": {"r-1a": [2,2,2,4,4,4,2,2]}}`)
	got := replay(t, trace, spotSpec(4, ""), sim.ReplayOptions{ColdStart: coldStart})
	// Two of four are taken at the seventh step, just those that became ready in
	// the sixth: the others serve on, and so do the stand-ins that had not left.
	if diff := cmp.Diff([]int{2, 2, 2, 4, 4, 4, 2, 2}, got.Timeline.Spot); diff != "" {
		t.Errorf("spot machines (-want +got):\n%s", diff)
	}
	if got.Preemptions != 2 || got.Timeline.Ready[6] != 2 {
		t.Errorf("%d are taken, and %d are ready then", got.Preemptions, got.Timeline.Ready[6])
	}
}

func TestReplayOfSlowTicksIsCutIntoSteps(t *testing.T) {
	t.Parallel()
	trace := parse(t, `{"gap_seconds": 195, "ceiling": 1, "zones": {"us-east-1a": [1,0], "us-central1-b": [0,1]}}`)
	if trace.Step != 48750*time.Millisecond || trace.Steps() != 8 {
		t.Errorf("there are %d steps of %v", trace.Steps(), trace.Step)
	}
	for i, want := range []string{"cloud/us-central1/us-central1-b", "cloud/us-east-1/us-east-1a"} {
		if got := trace.Zones[i].Location.String(); got != want {
			t.Errorf("a zone is in %s, not in %s", got, want)
		}
	}
}

func TestReplayIsDeterministic(t *testing.T) {
	t.Parallel()
	recorded := trace(t, "aws-04-19-2023-intel_64")
	o := sim.ReplayOptions{ColdStart: 5 * time.Minute}
	first, second := replay(t, recorded, spotSpec(6, ""), o), replay(t, recorded, spotSpec(6, ""), o)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the same replay gives something else:\n%s", diff)
	}
}

// A service without fallback, on-demand only, or with a base, has what its
// policy says.
func TestReplayHeedsThePolicy(t *testing.T) {
	t.Parallel()
	trace := parse(t, `{"gap_seconds": 60, "ceiling": 1, "zones": {"r-1a": [1,1,1,1,0,0,0,0]}}`)
	onDemand := spotSpec(2, "")
	onDemand.ReplicaPolicy.DynamicOndemandFallback, onDemand.Resources.UseSpot = false, nil
	base := spotSpec(3, "")
	base.ReplicaPolicy.DynamicOndemandFallback, base.ReplicaPolicy.BaseOndemandFallbackReplicas = false, 1
	alone := spotSpec(2, "")
	alone.ReplicaPolicy.DynamicOndemandFallback = false
	for _, row := range []struct {
		name             string
		spec             serve.Spec
		spot, onDemandIs []int
	}{
		{"on-demand", onDemand, []int{0, 0, 0, 0, 0, 0, 0, 0}, []int{2, 2, 2, 2, 2, 2, 2, 2}},
		{"a base", base, []int{2, 2, 2, 2, 0, 0, 0, 0}, []int{1, 1, 1, 1, 1, 1, 1, 1}},
		{"spot alone", alone, []int{2, 2, 2, 2, 0, 0, 0, 0}, []int{0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		got := replay(t, trace, row.spec, sim.ReplayOptions{ColdStart: coldStart})
		if diff := cmp.Diff(row.spot, got.Timeline.Spot); diff != "" {
			t.Errorf("%s: spot (-want +got):\n%s", row.name, diff)
		}
		if diff := cmp.Diff(row.onDemandIs, got.Timeline.OnDemand); diff != "" {
			t.Errorf("%s: on-demand (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestParseTraceRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"what is no JSON", `zones:`, "it is not a trace"},
		{"no time", `{"zones": {"a": [1]}}`, "gap_seconds: 0 is no time"},
		{"negative time", `{"gap_seconds": -5, "zones": {"a": [1]}}`, "gap_seconds: -5 is no time"},
		{"no zone", `{"gap_seconds": 60}`, "zones: there is none"},
		{"an empty zone", `{"gap_seconds": 60, "zones": {"a": []}}`, `zones["a"]: it has 0 numbers`},
		{"zones of different lengths", `{"gap_seconds": 60, "zones": {"a": [1, 1], "b": [1]}}`, `zones["b"]: it has 1 numbers, and others have another count`},
		{"fewer than none", `{"gap_seconds": 60, "zones": {"a": [1, -1]}}`, `zones["a"][1]: -1 machines cannot be`},
		{"what is no date", `{"gap_seconds": 60, "start_date": "spring", "zones": {"a": [1]}}`, `start_date: "spring" is not a date`},
	} {
		if _, err := sim.ParseTrace([]byte(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: the error is %v; it must say %q", row.name, err, row.want)
		}
	}
}

func TestSVGShowsTheReplay(t *testing.T) {
	t.Parallel()
	recorded := trace(t, "aws-08-03-2023-v100_1x4")
	result := replay(t, recorded, spotSpec(4, ""), sim.ReplayOptions{ColdStart: 3 * time.Minute})
	var b bytes.Buffer
	if err := sim.WriteSVG(&b, recorded, 4, "4 replicas & <more>", result); err != nil {
		t.Fatal(err)
	}
	var texts []string
	paths := map[string]int{}
	decoder := xml.NewDecoder(&b)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("it is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.StartElement:
			attributes := map[string]string{}
			for _, a := range token.Attr {
				attributes[a.Name.Local] = a.Value
			}
			if token.Name.Local == "path" {
				paths[attributes["class"]] += strings.Count(attributes["d"], "M")
			}
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"4 replicas & <more>", "us-east-1f", "us-east-2a", "us-west-2c", "target 4", "day 10"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	// Spot is always there, on-demand often, and as often something is missing.
	if paths["spot"] < 400 || paths["held"] < 400 || paths["od"] < 20 || paths["short"] < 10 || paths["ready"] != 1 {
		t.Errorf("it draws %v", paths)
	}
	if err := sim.WriteSVG(&b, recorded, 4, "", sim.Result{}); err == nil {
		t.Error("a result without a timeline is drawn")
	}
}

// The trace of 45 days and 9 zones is to take less than two seconds.
func BenchmarkReplay(b *testing.B) {
	recorded := trace(b, "aws-02-15-2023-v100_1")
	days := float64(recorded.Steps()) * recorded.Step.Hours() / 24
	for b.Loop() {
		if _, err := sim.Replay(recorded, spotSpec(16, ""), sim.ReplayOptions{ColdStart: 3 * time.Minute, PriceRatio: 3}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(math.Round(days*float64(b.N)/b.Elapsed().Seconds()), "days/s")
}
