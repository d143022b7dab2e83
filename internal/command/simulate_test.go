// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write puts a file into a directory of the test's own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A zone that is there for five minutes of ten.
const halfHour = `{"set": "half", "cloud": "aws", "gap_seconds": 60, "ceiling": 1, "zones": {"us-east-1a": [1,1,1,1,1,0,0,0,0,0]}}`

const twoReplicas = `service: {readiness_probe: /, replica_policy: {min_replicas: 2, dynamic_ondemand_fallback: true}}
resources: {ports: 80, use_spot: true}
run: server
`

func TestSimulateMistakes(t *testing.T) {
	trace, service := write(t, "trace.json", halfHour), write(t, "service.yaml", twoReplicas)
	scenario := filepath.Join("..", "..", "examples", "simulate", "scenario.yaml")
	for _, row := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing to simulate", nil, 2, "either a --trace to live through or a --scenario"},
		{"both", []string{"--trace", trace, "--scenario", scenario}, 2, "either a --trace"},
		{"no service", []string{"--trace", trace}, 2, "either --service"},
		{"two services", []string{"--trace", trace, "--service", service, "--replicas", "2"}, 2, "either --service"},
		{"no replicas", []string{"--trace", trace, "--replicas", "0"}, 2, `"0" is no number above 0`},
		{"a number that is none", []string{"--trace", trace, "--replicas", "4,many"}, 2, `"many" is no number above 0`},
		{"a time that is none", []string{"--trace", trace, "--replicas", "2", "--cold-start", "180"}, 2, `"180" is no length of time`},
		{"a notice that is none", []string{"--trace", trace, "--replicas", "2", "--notice", "-5s"}, 2, `"-5s" is no length of time`},
		{"a price for nothing", []string{"--trace", trace, "--replicas", "2", "--ondemand-price-ratio", "0"}, 2, `"0" is no price`},
		{"fewer than none", []string{"--trace", trace, "--replicas", "2", "--overprovision", "-1"}, 2, "--overprovision -1"},
		{"an unknown format", []string{"--trace", trace, "--replicas", "2", "--format", "xml"}, 2, "table, json or svg"},
		{"two pictures in one", []string{"--trace", trace, "--replicas", "2,4", "--format", "svg"}, 2, "draws one run"},
		{"a picture of a scenario", []string{"--scenario", scenario, "--format", "svg"}, 2, "table or json"},
		{"a placer for a scenario", []string{"--scenario", scenario, "--placer", "steady"}, 2, "--placer is for a trace"},
		{"an unknown placer", []string{"--trace", trace, "--replicas", "2", "--placer", "stedy"}, 1, `replica_policy.spot_placer: "stedy" is not known (did you mean "steady"?)`},
		{"a trace that is not there", []string{"--trace", "nowhere.json", "--replicas", "2"}, 1, "nowhere.json"},
		{"a trace that is none", []string{"--trace", service, "--replicas", "2"}, 1, "it is not a trace"},
		{"a service that is not there", []string{"--trace", trace, "--service", "nowhere.yaml"}, 1, "nowhere.yaml"},
		{"a service that sleeps", []string{"--trace", trace, "--service", write(t, "sleepy.yaml", strings.Replace(twoReplicas, "min_replicas: 2", "min_replicas: 0", 1))}, 1, "min_replicas is the target"},
		{"a scenario that is not there", []string{"--scenario", "nowhere.yaml"}, 1, "nowhere.yaml"},
		{"a scenario that is none", []string{"--scenario", service}, 1, "it is not a scenario"},
	} {
		if out, stderr, code := execute(append([]string{"simulate"}, row.args...)...); code != row.code || !strings.Contains(stderr, row.stderr) || out != "" {
			t.Errorf("%s ends with %d, says %q and prints %q", row.name, code, stderr, out)
		}
	}
}

func TestSimulateATrace(t *testing.T) {
	trace, service := write(t, "trace.json", halfHour), write(t, "service.yaml", twoReplicas)
	out, stderr, code := execute("simulate", "--trace", trace, "--service", service, "--cold-start", "1m", "--format", "json")
	if code != 0 {
		t.Fatalf("it ends with %d: %s", code, stderr)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	// Nine minutes count: two spot machines in four of them, two on-demand ones in
	// the other five, and nothing is ready in the first of these.
	want := map[string]any{
		"trace": "half", "placer": "steady", "replicas": 2.0, "overprovision": 0.0, "cold_start_seconds": 60.0, "notice_seconds": 0.0, "ondemand_price_ratio": 3.0,
		"cost_vs_on_demand": (4*2 + 5*2*3) / (9 * 2 * 3.0), "availability": 8 / 9.0, "served": 8 / 9.0, "low": 1 / 9.0,
		"preemptions": 2.0, "spot_launches": 2.0, "on_demand_launches": 4.0, "on_demand_share": 10 / 18.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("it gives (-want +got):\n%s", diff)
	}
	if out, _, _ := execute("simulate", "--trace", trace, "--replicas", "2", "--cold-start", "1m", "--format", "svg"); !strings.HasPrefix(out, "<svg ") || !strings.Contains(out, "steady on half: 2 replicas at 70.4% of the on-demand price, 88.89% available") {
		t.Errorf("the picture is\n%s", out)
	}
}

// Several values are every combination of them, with means.
func TestSimulateEveryCombination(t *testing.T) {
	out, stderr, code := execute("simulate", "--trace", write(t, "trace.json", halfHour), "--replicas", "1,2", "--cold-start", "1m,2m",
		"--notice", "0s,cloud", "--placer", "steady,spothedge_ae")
	if code != 0 {
		t.Fatalf("it ends with %d: %s", code, stderr)
	}
	var means []string
	settings := map[string]bool{}
	for line := range strings.Lines(out) {
		columns := strings.Fields(line)
		switch columns[0] {
		case "half":
			settings[strings.Join(columns[:6], " ")] = true
		case "mean":
			means = append(means, strings.Join(columns[:6], " "))
		}
	}
	if len(settings) != 16 || !settings["half 2+1 120s 120s 3 spothedge_ae"] {
		t.Errorf("the settings are %v", settings)
	}
	slices.Sort(means)
	if diff := cmp.Diff([]string{"mean of 4 with 3 spothedge_ae", "mean of 4 with 3 steady", "mean of 4 without 3 spothedge_ae", "mean of 4 without 3 steady"}, means); diff != "" {
		t.Errorf("the means (-want +got):\n%s", diff)
	}
}

func TestSimulateAScenario(t *testing.T) {
	scenario := filepath.Join("..", "..", "examples", "simulate", "scenario.yaml")
	out, stderr, code := execute("simulate", "--scenario", scenario)
	for _, want := range []string{
		"0s  0/4 ready, target 2\n  launch spot replica 1 in gcp/us-east1/us-east1-b: 0 of 2 wanted spot replicas are there",
		"10m0s  1/3 ready, target 2\n    capacity 0 in gcp/us-east1\n",
		"on-demand stands in for 1",
	} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("it ends with %d, says %q, and does not print %q:\n%s", code, stderr, want, out)
		}
	}
	out, _, _ = execute("simulate", "--scenario", scenario, "--format", "json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var first struct {
		At        float64
		Decisions []map[string]any
		Replicas  []map[string]any
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"action": "launch", "market": "spot", "replica_id": 1.0, "location": "gcp/us-east1/us-east1-b",
		"reason": "0 of 2 wanted spot replicas are there: the target is 2, of which 0 on-demand",
	}, first.Decisions[0]); diff != "" {
		t.Errorf("the first decision (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{
		"id": 4.0, "revision": 1.0, "market": "on_demand", "status": "PROVISIONING", "location": "gcp/us-central1/us-central1-a", "price": 0.1,
	}, first.Replicas[3]); diff != "" {
		t.Errorf("the last replica (-want +got):\n%s", diff)
	}
	if len(lines) < 20 {
		t.Errorf("there are %d evaluations", len(lines))
	}
}
