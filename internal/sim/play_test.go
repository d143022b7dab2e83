// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/sim"
)

// TestMain lets -update write what scenarios give, to be read before it is kept.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the expectations of testdata/scenarios anew")
	os.Exit(m.Run())
}

// tell gives an evaluation in short; empty when nothing happened.
func tell(e sim.Evaluation) string {
	if len(e.Events) == 0 && len(e.Decisions) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %d/%d", time.Duration(e.At*float64(time.Second)), e.Ready, e.Total)
	for _, r := range e.Replicas {
		market := "od"
		if r.Market == serve.Spot {
			market = "spot"
		}
		fmt.Fprintf(&b, ", %d %s %s", r.ID, market, r.Status)
	}
	b.WriteByte('\n')
	for _, event := range e.Events {
		fmt.Fprintf(&b, "  - %s\n", event)
	}
	for _, d := range e.Decisions {
		line := fmt.Sprintf("  %s %s %d %s", d.Action, strings.ReplaceAll(string(d.Market), "_", "-"), d.ReplicaID, d.Location)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func scenario(t testing.TB, text string) *sim.Scenario {
	t.Helper()
	s, err := sim.ParseScenario([]byte(text), os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The cases of SkyServe's behaviour that are stories, played.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			err = sim.Play(scenario(t, string(text)), func(e sim.Evaluation) {
				for _, d := range e.Decisions {
					if d.Reason == "" {
						t.Errorf("%v has no reason", d)
					}
				}
				got.WriteString(tell(e))
			})
			if err != nil {
				t.Fatal(err)
			}
			expected := strings.TrimSuffix(file, ".yaml") + ".want"
			if flag.Lookup("update").Value.String() == "true" {
				if err := os.WriteFile(expected, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("it goes otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlayGivesEveryEvaluation(t *testing.T) {
	t.Parallel()
	s := scenario(t, plain+"events: [{at: 1m, qps: 0.5}]\nuntil: 2m\n")
	var times []float64
	if err := sim.Play(s, func(e sim.Evaluation) { times = append(times, e.At) }); err != nil {
		t.Fatal(err)
	}
	// At once, when the machine is granted and when it is ready, and when there is
	// load; and 20 seconds after the time before, as a policy with a target rate
	// looks at the load that often.
	if diff := cmp.Diff([]float64{0, 0, 20, 30, 50, 60, 80, 100, 120}, times); diff != "" {
		t.Errorf("evaluations (-want +got):\n%s", diff)
	}
}

// Requests that take long need more replicas than their number tells.
func TestALoadOfLongRequestsScales(t *testing.T) {
	t.Parallel()
	s := scenario(t, `
service: {service: {readiness_probe: /, replica_policy: {min_replicas: 1, max_replicas: 9, target_concurrency_per_replica: 4, upscale_delay_seconds: 0, downscale_delay_seconds: 0}}, resources: {ports: 80}, run: server}
cold_start: 30s
locations: [{infra: aws/us-east-1/us-east-1a, on_demand: 3}]
events:
- {at: 2m, qps: 1, takes: 20s}
- {at: 6m, qps: 1, takes: 2s}
until: 12m
`)
	targets := map[float64]int{}
	if err := sim.Play(s, func(e sim.Evaluation) { targets[e.At] = e.Target }); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[float64]int{0: 1, 140: 2, 190: 5, 300: 5, 440: 1, 720: 1} {
		if got, ok := targets[at]; !ok || got != want {
			t.Errorf("after %v seconds the target is %d, want %d: %v", at, got, want, targets)
		}
	}
}

func TestSchedulesArePlayed(t *testing.T) {
	t.Parallel()
	// A scenario begins at midnight UTC, on a Saturday.
	s := scenario(t, `
service: {service: {readiness_probe: /, replica_policy: {min_replicas: 1, schedules: [{days: [sat], from: "02:00", to: "03:00", time_zone: Europe/Berlin, min_replicas: 3}]}}, resources: {ports: 80}, run: server}
cold_start: 30s
locations: [{infra: aws/us-east-1/us-east-1a, on_demand: 3}]
until: 3h
`)
	targets := map[float64]int{}
	if err := sim.Play(s, func(e sim.Evaluation) { targets[e.At] = e.Target }); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[float64]int{0: 1, 3600: 3, 7200: 1} {
		if got, ok := targets[at]; !ok || got != want {
			t.Errorf("after %v seconds the target is %d, want %d: %v", at, got, want, targets)
		}
	}
}

func TestAMetricScales(t *testing.T) {
	t.Parallel()
	s := scenario(t, `
service: {service: {readiness_probe: /, replica_policy: {min_replicas: 1, max_replicas: 9, external_metric: {url: "http://queue", field: length, target_per_replica: 10}, upscale_delay_seconds: 0, downscale_delay_seconds: 0}}, resources: {ports: 80}, run: server}
cold_start: 30s
locations: [{infra: aws/us-east-1/us-east-1a, on_demand: 3}]
events:
- {at: 2m, metric: 35}
- {at: 4m, metric: 0}
until: 6m
`)
	targets := map[float64]int{}
	if err := sim.Play(s, func(e sim.Evaluation) { targets[e.At] = e.Target }); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[float64]int{0: 1, 110: 1, 120: 4, 240: 1, 360: 1} {
		if got, ok := targets[at]; !ok || got != want {
			t.Errorf("after %v seconds the target is %d, want %d: %v", at, got, want, targets)
		}
	}
}

// plain is a scenario without events.
const plain = `
service: {service: {readiness_probe: /, replica_policy: {min_replicas: 1, max_replicas: 2, target_qps_per_replica: 1}}, resources: {ports: 80}, run: server}
cold_start: 30s
locations: [{infra: aws/us-east-1/us-east-1a, spot: 1, on_demand: 3}]
`

func TestServiceMayBeInAFileOfItsOwn(t *testing.T) {
	t.Parallel()
	read := func(name string) ([]byte, error) {
		if name != "web.yaml" {
			return nil, errors.New("no such file")
		}
		return []byte("service: {readiness_probe: /, replicas: 2}\nresources: {ports: 80}\nrun: server\n"), nil
	}
	s, err := sim.ParseScenario([]byte("service: web.yaml\nlocations: [{infra: aws, on_demand: 3}]\n"), read)
	if err != nil {
		t.Fatal(err)
	}
	launched := 0
	if err := sim.Play(s, func(e sim.Evaluation) { launched += len(e.Decisions) }); err != nil || launched != 2 {
		t.Errorf("%d replicas are launched, %v", launched, err)
	}
	if _, err := sim.ParseScenario([]byte("service: other.yaml\nlocations: [{infra: aws, on_demand: 3}]\n"), read); err == nil || err.Error() != "service: no such file" {
		t.Errorf("the error is %v", err)
	}
}

func TestParseScenarioRefuses(t *testing.T) {
	t.Parallel()
	events := func(event string) string { return plain + "events:\n- {at: 0s, qps: 1}\n- " + event + "\n" }
	for _, row := range []struct{ name, text, want string }{
		{"what is no YAML", ":", "document"},
		{"an unknown key", plain + "speed: 3\n", `unknown field "speed"`},
		{"no service", "locations: [{infra: aws, spot: 1}]\n", "service: it is missing"},
		{"a service that is wrong", "service: {service: {readiness_probe: /, replicas: -1}, resources: {ports: 80}, run: x}\n", "service, its lines counted from its own beginning: service.replicas"},
		{"no location", strings.Split(plain, "locations")[0], "locations: there is none"},
		{"a location nowhere", strings.Replace(plain, "aws/us-east-1/us-east-1a", `""`, 1), "locations[0].infra"},
		{"a location that sells nothing", strings.Replace(plain, ", spot: 1, on_demand: 3", "", 1), "locations[0]: it sells nothing"},
		{"a negative price", strings.Replace(plain, "spot: 1", "spot: -1", 1), "locations[0].spot: -1 dollars"},
		{"a negative capacity", strings.Replace(plain, "spot: 1", "spot: 1, capacity: -1", 1), "locations[0].capacity: -1"},
		{"a time that is none", events("{at: soon, qps: 1}"), `"soon" is not a length of time`},
		{"a time before the beginning", events("{at: -1s, qps: 1}"), `"-1s" is not a length of time`},
		{"nothing at all", events("{at: 1m}"), "events[1]: it is 0 things at once"},
		{"two things at once", events("{at: 1m, qps: 1, replica: 1, becomes: ready}"), "events[1]: it is 2 things at once"},
		{"requests that take no time that can be", events("{at: 1m, qps: 2, takes: -1s}"), `"-1s" is not a length of time`},
		{"a negative load", events("{at: 1m, qps: -2}"), "events[1]: qps: -2"},
		{"an unknown fate", events("{at: 1m, replica: 1, becomes: famous}"), `events[1]: becomes: "famous"`},
		{"a market that is none", events("{at: 1m, capacity: 1, infra: aws, market: black}"), `events[1]: market: "black"`},
		{"a place that is none", events("{at: 1m, capacity: 1, infra: gcp}"), `events[1]: capacity: 1 machines in "gcp"`},
		{"an update that is wrong", events("{at: 1m, update: {run: x}}"), "events[1]: update, its lines counted"},
	} {
		if _, err := sim.ParseScenario([]byte(row.text), os.ReadFile); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: the error is %v; it must say %q", row.name, err, row.want)
		}
	}
}

func TestPlayRefusesWhatCannotHappen(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ event, want string }{
		{"{at: 1m, replica: 7, becomes: ready}", "replica 7 becomes ready at 1m0s: there is no replica 7 then"},
		{"{at: 0s, replica: 1, becomes: ready}", "there is no replica 1 then"},
	} {
		err := sim.Play(scenario(t, plain+"events: ["+row.event+"]\n"), func(sim.Evaluation) {})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: the error is %v", row.event, err)
		}
	}
}
