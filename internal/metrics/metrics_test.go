// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// samples are of a service that this copy decides for, and of one that it does not.
func samples(now time.Time) []Sample {
	web := &serve.Service{
		Target: 3, QPS: 12.5, CostPerHour: 0.16, Counts: serve.Counts{Ready: 2, Total: 3},
		Replicas: []serve.Replica{
			{ID: 1, Market: serve.Spot, Launch: serve.LaunchSucceeded, Ready: true},
			{ID: 2, Market: serve.Spot, Launch: serve.LaunchSucceeded, Ready: true},
			{ID: 3, Market: serve.OnDemand, Launch: serve.LaunchSucceeded},
		},
		Ledger: serve.Ledger{
			At: now, Saved: 4, Interrupted: 7, BelowSeconds: 30, Ready: 3, Target: 3,
			Spot: serve.Usage{Dollars: 1.5}, OnDemand: serve.Usage{Dollars: 0.5},
		},
	}
	stats := balancer.Stats{Answers: [6]uint64{0: 1, 2: 90, 5: 2}, Retries: 4, Waited: 5, Waiting: 1, UnderWay: 3, Begun: 90, Delay: 45 * time.Second}
	for i := range balancer.Bounds() {
		stats.Within = append(stats.Within, uint64(min(90, 10*i)))
	}
	return []Sample{{Name: "web", Service: web, Traffic: &stats}, {Name: "api", Traffic: &balancer.Stats{Within: make([]uint64, len(balancer.Bounds()))}}}
}

func TestMetricsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Handler("1.2.3", func() ([]Sample, bool) { return samples(time.Now().Add(time.Hour)), true }))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		lines[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		`serve_build_info{version="1.2.3"} 1`,
		`serve_controller_leads 1`,
		`serve_target_replicas{service="web"} 3`,
		`serve_ready_replicas{service="web"} 2`,
		`serve_replicas{market="spot",service="web",status="READY"} 2`,
		`serve_replicas{market="on_demand",service="web",status="STARTING"} 1`,
		`serve_requests_per_second{service="web"} 12.5`,
		`serve_cost_dollars_per_hour{service="web"} 0.16`,
		`serve_spent_dollars_total{market="spot",service="web"} 1.5`,
		`serve_spent_dollars_total{market="on_demand",service="web"} 0.5`,
		`serve_saved_dollars_total{service="web"} 4`,
		`serve_below_target_seconds_total{service="web"} 30`,
		`serve_interruptions_total{service="web"} 7`,
		`serve_endpoint_answers_total{code="2xx",service="web"} 90`,
		`serve_endpoint_answers_total{code="5xx",service="web"} 2`,
		`serve_endpoint_answers_total{code="gone",service="web"} 1`,
		`serve_endpoint_retries_total{service="web"} 4`,
		`serve_endpoint_waited_total{service="web"} 5`,
		`serve_endpoint_waiting{service="web"} 1`,
		`serve_endpoint_under_way{service="web"} 3`,
		`serve_endpoint_delay_seconds_bucket{service="web",le="0.0025"} 10`,
		`serve_endpoint_delay_seconds_bucket{service="web",le="+Inf"} 90`,
		`serve_endpoint_delay_seconds_count{service="web"} 90`,
		`serve_endpoint_delay_seconds_sum{service="web"} 45`,
		`serve_endpoint_under_way{service="api"} 0`,
	} {
		if !lines[want] {
			t.Errorf("there is no line %s", want)
		}
	}
	if strings.Contains(string(text), `serve_target_replicas{service="api"}`) {
		t.Error("a copy tells of a service that another decides for")
	}
}

// The names are such as the people who read them expect.
func TestMetricsKeepTheRules(t *testing.T) {
	t.Parallel()
	now := time.Now()
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{version: "1", source: func() ([]Sample, bool) { return samples(now), false }, now: func() time.Time { return now }, words: newWords()})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
