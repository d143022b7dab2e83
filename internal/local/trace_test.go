// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func testTrace(t *testing.T, ceiling int, speed float64, started time.Time, zones map[string][]int) *trace {
	t.Helper()
	data, err := json.Marshal(recording{GapSeconds: 60, Ceiling: ceiling, Zones: zones})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := newTrace(traceConfig{File: "f", StartedAt: started, Speed: speed}, data)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// change is what a trace says from one of its changes on.
type change struct {
	At time.Duration
	A  int
	B  int
}

func TestATraceIsReplayed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ceiling int
		speed   float64
		want    []change
	}{
		"as it was recorded": {4, 0, []change{
			{0, 2, 1}, {time.Minute, 0, 1}, {3 * time.Minute, 0, 0}, {4 * time.Minute, 2, 1}, {5 * time.Minute, 0, 1},
		}},
		"a hundred times faster": {4, 100, []change{
			{0, 2, 1}, {600 * time.Millisecond, 0, 1}, {1800 * time.Millisecond, 0, 0}, {2400 * time.Millisecond, 2, 1}, {3 * time.Second, 0, 1},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				tr := testTrace(t, c.ceiling, c.speed, start, map[string][]int{"a": {2, 0, 0, 0}, "b": {1, 1, 1, 0}})
				zones := []zone{{Zone: "a"}, {Zone: "b"}, {Zone: "not recorded"}}
				var got []change
				for range c.want {
					now := time.Now()
					a, _, _ := tr.at("a", now)
					b, _, _ := tr.at("b", now)
					got = append(got, change{now.Sub(start), a, b})
					// The watch sleeps just so.
					<-time.After(tr.next(zones, now).Sub(now))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("replayed (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestATraceIsAFunctionOfTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tr := testTrace(t, 1, 1, start, map[string][]int{"a": {0, 1}})
	if n, unlimited, known := tr.at("a", start.Add(-time.Hour)); n != 0 || unlimited || !known {
		t.Errorf("before the start: %d, %t, %t; want what it begins with", n, unlimited, known)
	}
	if _, unlimited, _ := tr.at("a", start.Add(time.Minute)); !unlimited {
		t.Error("a 1 with ceiling 1 is not any number")
	}
	if _, _, known := tr.at("b", start); known {
		t.Error("a zone that was not recorded is known")
	}
	if next := tr.next([]zone{{Zone: "b"}}, start); !next.IsZero() {
		t.Errorf("a zone that was not recorded changes at %v", next)
	}
	flat := testTrace(t, 4, 1, start, map[string][]int{"a": {2, 2}})
	if next := flat.next([]zone{{Zone: "a"}}, start); !next.IsZero() {
		t.Errorf("a trace that never changes does so at %v", next)
	}
}

func TestATraceWithAMistakeSaysWhere(t *testing.T) {
	t.Parallel()
	for want, content := range map[string]string{
		"is no time at all":     `{"zones": {"a": [1]}}`,
		`zone "a" has 0`:        `{"gap_seconds": 1, "zones": {"a": []}}`,
		"numbers where another": `{"gap_seconds": 1, "zones": {"a": [1], "b": [1, 2]}}`,
		"the number -1":         `{"gap_seconds": 1, "zones": {"a": [-1]}}`,
		"invalid character":     `no JSON`,
	} {
		if _, err := newTrace(traceConfig{}, []byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("newTrace(%s) = %v, want an error that says %q", content, err, want)
		}
	}
}

func TestATraceTakesMachinesAndGivesCapacityBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *config) {
		// Half a second with room, half a second without.
		c.Trace = &traceConfig{File: "trace.json", Speed: 120}
	})
	data := `{"gap_seconds": 60, "ceiling": 1, "zones": {"us-east1-b": [1, 0]}}`
	if err := os.WriteFile(filepath.Join(string(f.home), "trace.json"), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	req := f.request(1, "exec sleep 3600")
	notices, _ := f.watch(f.Cloud)
	launch := func(id int64) {
		for {
			req.Ref.Replica = id
			if _, err := f.Launch(f.ctx, req); err == nil {
				return
			}
			f.await(notices, serve.NoticeCapacity)
		}
	}
	for id := range int64(2) {
		launch(id)
		if n := f.await(notices, serve.NoticeGone); n.Ref.Replica != id {
			t.Errorf("gone is replica %d, want %d", n.Ref.Replica, id)
		}
	}
	cfg, err := readConfig(f.home)
	if err != nil || cfg.Trace.StartedAt.IsZero() {
		t.Errorf("the start of the trace was not settled: %+v, %v", cfg.Trace, err)
	}
}
