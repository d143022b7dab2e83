// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// trace is a recording of spot capacity being replayed. What it says is a pure
// function of its content and the time.
type trace struct {
	started time.Time
	gap     time.Duration // how long one number holds, replayed
	// zones holds the recorded numbers; -1 is any number of machines.
	zones map[string][]int
	ticks int
}

// recording is the content of a trace file, as far as it matters here.
type recording struct {
	GapSeconds float64          `json:"gap_seconds"`
	Ceiling    int              `json:"ceiling"`
	Zones      map[string][]int `json:"zones"`
}

// newTrace replays data as cfg says.
func newTrace(cfg traceConfig, data []byte) (*trace, error) {
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	t := &trace{
		started: cfg.StartedAt,
		gap:     time.Duration(r.GapSeconds / cmp.Or(cfg.Speed, 1) * float64(time.Second)),
		zones:   r.Zones,
	}
	if t.gap <= 0 {
		return nil, fmt.Errorf("gap_seconds %v at speed %v is no time at all", r.GapSeconds, cfg.Speed)
	}
	for name, numbers := range r.Zones {
		if t.ticks == 0 {
			t.ticks = len(numbers)
		}
		if len(numbers) == 0 || len(numbers) != t.ticks {
			return nil, fmt.Errorf("zone %q has %d numbers where another has %d", name, len(numbers), t.ticks)
		}
		for i, n := range numbers {
			switch {
			case n < 0:
				return nil, fmt.Errorf("zone %q has the number %d", name, n)
			case r.Ceiling == 1 && n == 1:
				numbers[i] = -1
			}
		}
	}
	return t, nil
}

// at gives the capacity of a zone; known is false for zones that were not recorded.
func (t *trace) at(zone string, now time.Time) (n int, unlimited, known bool) {
	if t == nil || t.zones[zone] == nil {
		return 0, false, false
	}
	n = t.zones[zone][t.tick(now)]
	return n, n < 0, true
}

// tick is the index of the numbers that hold now. Before the start the first
// ones do.
func (t *trace) tick(now time.Time) int {
	return int(max(now.Sub(t.started), 0)/t.gap) % t.ticks
}

// next is when the capacity of one of the zones next becomes another than it is
// now; zero when it never does.
func (t *trace) next(zones []zone, now time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	elapsed := int(max(now.Sub(t.started), 0) / t.gap)
	for i := 1; i <= t.ticks; i++ {
		for _, z := range zones {
			numbers := t.zones[z.Zone]
			if numbers != nil && numbers[(elapsed+i)%t.ticks] != numbers[elapsed%t.ticks] {
				return t.started.Add(time.Duration(elapsed+i) * t.gap)
			}
		}
	}
	return time.Time{}
}

// traces remembers the trace read last: the files are large, and the market is
// looked at for every launch.
type traces struct {
	mu   sync.Mutex
	key  traceKey
	last *trace
}

type traceKey struct {
	config  traceConfig
	size    int64
	changed time.Time
}

// open gives the trace of the market, nil when it has none. A relative file is
// relative to the home directory.
func (ts *traces) open(h home, cfg *traceConfig) (*trace, error) {
	if cfg == nil {
		return nil, nil
	}
	path := cfg.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(string(h), path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the trace: %w", err)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	key := traceKey{*cfg, info.Size(), info.ModTime()}
	if ts.last != nil && ts.key == key {
		return ts.last, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the trace: %w", err)
	}
	t, err := newTrace(*cfg, data)
	if err != nil {
		return nil, fmt.Errorf("reading the trace %s: %w", path, err)
	}
	ts.key, ts.last = key, t
	return t, nil
}
