// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package metrics tells monitoring systems what a controller does, in the format
// of Prometheus. Nothing is gathered here: what is known anyway is put into words
// whenever somebody asks.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Sample is what is known of one service at one moment.
type Sample struct {
	// Name is the service's name.
	Name string
	// Service is how it is, as the controller that decides for it has it; nil
	// elsewhere, so that of several copies one tells it.
	Service *serve.Service
	// Traffic is what the balancer of this copy has done; nil where there is none.
	Traffic *balancer.Stats
}

// Source gives a sample of every service, and whether this copy decides for them.
type Source func() (samples []Sample, leads bool)

// Handler answers with all metrics.
func Handler(version string, source Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{version: version, source: source, now: time.Now, words: newWords()})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// words are the names of all metrics. They are a promise: dashboards and alerts
// are built on them.
type words struct {
	build, leads *prometheus.Desc

	target, ready, replicas            *prometheus.Desc
	requests, costPerHour              *prometheus.Desc
	spent, saved, below, interruptions *prometheus.Desc
	answers, retries, waited           *prometheus.Desc
	waiting, underWay, delay           *prometheus.Desc
}

func newWords() words {
	name := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("serve_"+name, help, labels, nil)
	}
	of := func(what, help string, labels ...string) *prometheus.Desc {
		return name(what, help, append([]string{"service"}, labels...)...)
	}
	return words{
		build: name("build_info", "The version of this controller; the value is 1.", "version"),
		leads: name("controller_leads", "Whether this copy of the controller decides (1) or only takes requests (0)."),

		target:        of("target_replicas", "How many replicas autoscaling wants."),
		ready:         of("ready_replicas", "How many replicas take requests."),
		replicas:      of("replicas", "Replicas by market and status.", "market", "status"),
		requests:      of("requests_per_second", "Requests that arrive, as the mean of the last minute, at all copies."),
		costPerHour:   of("cost_dollars_per_hour", "What the machines cost now."),
		spent:         of("spent_dollars_total", "What the machines have cost.", "market"),
		saved:         of("saved_dollars_total", "What the spot machines would have cost more as on-demand ones."),
		below:         of("below_target_seconds_total", "For how long fewer replicas than the target took requests."),
		interruptions: of("interruptions_total", "How many spot machines were taken away."),

		answers:  of("endpoint_answers_total", "Requests answered by this copy, by the class of their status: 2xx and so on, and gone where the client had gone.", "code"),
		retries:  of("endpoint_retries_total", "How many times this copy has sent a request to another replica."),
		waited:   of("endpoint_waited_total", "How many requests have waited at this copy for a replica to become ready."),
		waiting:  of("endpoint_waiting", "How many requests wait at this copy for a replica to become ready."),
		underWay: of("endpoint_under_way", "How many requests are under way at this copy."),
		delay:    of("endpoint_delay_seconds", "Time from the arrival of a request until the answer of a replica begins."),
	}
}

// collector puts samples into words.
type collector struct {
	version string
	source  Source
	now     func() time.Time
	words   words
}

// Describe says nothing beforehand: which services there are is seen when it is
// asked.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks for samples, and tells them.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	samples, leads := c.source()
	t := teller{out}
	t.gauge(c.words.build, 1, c.version)
	t.gauge(c.words.leads, truth(leads))
	for _, s := range samples {
		if s.Service != nil {
			c.service(t, s.Name, *s.Service)
		}
		if s.Traffic != nil {
			c.traffic(t, s.Name, *s.Traffic)
		}
	}
}

func (c *collector) service(t teller, name string, s serve.Service) {
	w := c.words
	t.gauge(w.target, float64(s.Target), name)
	t.gauge(w.ready, float64(s.Counts.Ready), name)
	type kind struct{ market, status string }
	count := map[kind]int{}
	for _, r := range s.Replicas {
		count[kind{string(r.Market), string(r.Status())}]++
	}
	for k, n := range count {
		t.gauge(w.replicas, float64(n), name, k.market, k.status)
	}
	t.gauge(w.requests, s.QPS, name)
	t.gauge(w.costPerHour, s.CostPerHour, name)
	ledger := s.Ledger.Until(c.now())
	t.counter(w.spent, ledger.Spot.Dollars, name, string(serve.Spot))
	t.counter(w.spent, ledger.OnDemand.Dollars, name, string(serve.OnDemand))
	t.counter(w.saved, ledger.Saved, name)
	t.counter(w.below, ledger.BelowSeconds, name)
	t.counter(w.interruptions, float64(ledger.Interrupted), name)
}

func (c *collector) traffic(t teller, name string, s balancer.Stats) {
	w := c.words
	for class, n := range s.Answers {
		t.counter(w.answers, float64(n), name, []string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"}[class])
	}
	t.counter(w.retries, float64(s.Retries), name)
	t.counter(w.waited, float64(s.Waited), name)
	t.gauge(w.waiting, float64(s.Waiting), name)
	t.gauge(w.underWay, float64(s.UnderWay), name)
	within := map[float64]uint64{}
	for i, bound := range balancer.Bounds() {
		within[bound.Seconds()] = s.Within[i]
	}
	t.out <- prometheus.MustNewConstHistogram(w.delay, s.Begun, s.Delay.Seconds(), within, name)
}

// teller sends metrics.
type teller struct{ out chan<- prometheus.Metric }

func (t teller) gauge(d *prometheus.Desc, v float64, labels ...string) {
	t.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (t teller) counter(d *prometheus.Desc, v float64, labels ...string) {
	t.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
