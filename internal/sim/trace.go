// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Trace is a recording of how many spot machines of one type could be had in
// each of several zones.
type Trace struct {
	// Name is the trace's own name, Cloud the cloud it was recorded in.
	Name, Cloud, InstanceType string
	// Start is when it begins, Step how long a step of a replay is.
	Start time.Time
	Step  time.Duration
	Zones []Zone
}

// Zone is one place of a trace.
type Zone struct {
	Location serve.Location
	// Capacity is how many machines the zone has at each step.
	Capacity []int
}

// unlimited is a capacity that nobody exhausts.
const unlimited = math.MaxInt32

// longestStep is the longest a step of a replay may be.
const longestStep = time.Minute

// Steps is how many steps the trace has.
func (t *Trace) Steps() int { return len(t.Zones[0].Capacity) }

// recording is the content of a trace file, as far as it matters here.
type recording struct {
	Set          string           `json:"set"`
	Cloud        string           `json:"cloud"`
	InstanceType string           `json:"instance_type"`
	StartDate    string           `json:"start_date"`
	GapSeconds   float64          `json:"gap_seconds"`
	Ceiling      int              `json:"ceiling"`
	Zones        map[string][]int `json:"zones"`
}

// ParseTrace reads a trace file: a JSON object with "gap_seconds", which is for
// how long a number holds, "ceiling", the most that the recorder asked for, and
// "zones", which has the numbers of each zone, the same count for all. Where the
// ceiling is 1, a 1 stands for any number of machines. "set", "cloud",
// "instance_type" and "start_date" ("2023-02-15") may be left out.
func ParseTrace(data []byte) (*Trace, error) {
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("it is not a trace: %w", err)
	}
	gap := time.Duration(r.GapSeconds * float64(time.Second))
	if gap <= 0 {
		return nil, fmt.Errorf("gap_seconds: %v is no time; a number of the trace holds for more than 0 seconds", r.GapSeconds)
	}
	if len(r.Zones) == 0 {
		return nil, fmt.Errorf("zones: there is none; a trace has at least one, with a list of numbers")
	}
	t := &Trace{Name: r.Set, Cloud: r.Cloud, InstanceType: r.InstanceType}
	if t.Cloud == "" {
		t.Cloud = "cloud"
	}
	if r.StartDate != "" {
		start, err := time.Parse(time.DateOnly, r.StartDate)
		if err != nil {
			return nil, fmt.Errorf("start_date: %q is not a date such as 2023-02-15", r.StartDate)
		}
		t.Start = start
	}
	// Zero would be "never" to the policy.
	if t.Start.IsZero() {
		t.Start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	cuts := int((gap + longestStep - 1) / longestStep)
	t.Step = gap / time.Duration(cuts)
	for _, name := range slices.Sorted(maps.Keys(r.Zones)) {
		zone, err := r.zone(name, t.Cloud, cuts)
		if err != nil {
			return nil, err
		}
		if len(t.Zones) > 0 && len(zone.Capacity) != t.Steps() || len(zone.Capacity) == 0 {
			return nil, fmt.Errorf("zones[%q]: it has %d numbers, and others have another count; all have the same, and at least one", name, len(r.Zones[name]))
		}
		t.Zones = append(t.Zones, zone)
	}
	return t, nil
}

// zone gives the capacity of one zone, each number cut into so many steps.
func (r recording) zone(name, cloud string, cuts int) (Zone, error) {
	zone := Zone{Location: serve.Location{Cloud: cloud, Region: regionOf(name), Zone: name}}
	for i, n := range r.Zones[name] {
		if n < 0 {
			return zone, fmt.Errorf("zones[%q][%d]: %d machines cannot be; it must be 0 or more", name, i, n)
		}
		if r.Ceiling == 1 && n == 1 {
			n = unlimited
		}
		zone.Capacity = append(zone.Capacity, slices.Repeat([]int{n}, cuts)...)
	}
	return zone, nil
}

// regionOf gives the region of a zone by the clouds' custom: "us-east-1a" is in
// us-east-1, and "us-central1-a" in us-central1.
func regionOf(zone string) string {
	region := strings.TrimRight(zone, "abcdefghijklmnopqrstuvwxyz")
	if region == "" {
		return zone
	}
	return strings.TrimSuffix(region, "-")
}
