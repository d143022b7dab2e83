// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// A queue elsewhere makes a service larger and smaller. While nobody knows how long
// it is, the service stays as it is.
func TestAnExternalMetricScales(t *testing.T) {
	// Both change at once: an old status with a new length would be a number.
	type answer struct{ status, length int }
	var now atomic.Value
	now.Store(answer{http.StatusOK, 7})
	asked := make(chan struct{})
	queue := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a, _ := now.Load().(answer)
		w.WriteHeader(a.status)
		fmt.Fprintf(w, `{"queues": [{"length": %d}]}`, a.length)
		select {
		case asked <- struct{}{}:
		default: // nobody waits for it
		}
	}))
	defer queue.Close()
	r := start(t, newCloud(t), servetest.NewStore(), func(c *Controller) { c.pace.metric = 5 * time.Millisecond })
	spec := fixedSpec(1)
	spec.ReplicaPolicy = serve.NewSpec("").ReplicaPolicy
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 1, 5
	spec.ReplicaPolicy.UpscaleDelaySeconds, spec.ReplicaPolicy.DownscaleDelaySeconds = 0, 0
	spec.ReplicaPolicy.ExternalMetric = &serve.ExternalMetric{URL: queue.URL, Field: "queues.0.length", TargetPerReplica: 2}
	r.apply(spec)
	r.await("four replicas for seven", func(s serve.Service) bool { return s.Target == 4 && s.Counts.Ready == 4 })
	now.Store(answer{http.StatusServiceUnavailable, 0})
	for range 5 {
		<-asked
	}
	if s, err := r.Service(t.Context()); err != nil || s.Target != 4 {
		t.Errorf("without a number the target has become %d, %v", s.Target, err)
	}
	now.Store(answer{http.StatusOK, 0})
	r.await("one for none", func(s serve.Service) bool { return s.Target == 1 && s.Counts.Total == 1 })
	now.Store(answer{http.StatusOK, 100})
	r.await("as many as may be", func(s serve.Service) bool { return s.Target == 5 && s.Counts.Ready == 5 })

	// Nobody is asked any more when nobody wants to know.
	spec.ReplicaPolicy = serve.FixedReplicas(1)
	r.apply(spec)
	r.await("a fixed number", func(s serve.Service) bool { return s.Target == 1 && s.Counts.Total == 1 })
	told := 0
	err := r.Events(t.Context(), 0, false, func(e serve.Event) bool {
		if strings.Contains(e.Message, "The external metric could not be had") && strings.Contains(e.Message, "503") {
			told++
		}
		return true
	})
	if err != nil || told != 1 {
		t.Errorf("that it could not be had is told %d times, %v; want once", told, err)
	}
}

func TestTheNumberInAnAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		body, field string
		want        float64
		says        string
	}{
		{" 12.5\n", "", 12.5, ""},
		{"1e3", "", 1000, ""},
		{`{"a": {"b": [1, {"c": 3}]}}`, "a.b.1.c", 3, ""},
		{`{"a": "17"}`, "a", 17, ""},
		{`[4, 5]`, "1", 5, ""},
		{"", "", 0, "is not a number"},
		{"NaN", "", 0, "is not a number"},
		{`{"a": 1}`, "", 0, "is not a number"},
		{`{"a": 1}`, "b", 0, `there is no "b"`},
		{`{"a": 1}`, "a.b", 0, `there is no "b" in it, of "a.b"`},
		{`[1]`, "1", 0, `there is no "1"`},
		{`[1]`, "-1", 0, `there is no "-1"`},
		{`{"a": {"b": 1}}`, "a", 0, "is not a number"},
		{`{"a": true}`, "a", 0, "is not a number"},
		{"<html>", "a", 0, "no JSON document"},
	} {
		got, err := numberIn([]byte(row.body), row.field)
		if (row.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), row.says) || got != row.want {
			t.Errorf("%q at %q is %v, %v; want %v, %q", row.body, row.field, got, err, row.want, row.says)
		}
	}
}

func TestANumberIsNotBelievedForEver(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := &metric{value: 3, at: at}
	if v := m.known(at.Add(metricLifetime)); v == nil || *v != 3 {
		t.Errorf("it is %v", v)
	}
	if v := m.known(at.Add(metricLifetime + 1)); v != nil {
		t.Errorf("after its time it is %v", *v)
	}
	if v := (&metric{}).known(at); v != nil {
		t.Errorf("before it is known it is %v", *v)
	}
}
