// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"slices"
	"time"
	// Containers and clouds' images have no time zones of their own.
	_ "time/tzdata"
)

// Schedule has other limits of a policy's replicas in force at certain hours.
type Schedule struct {
	// Days are those on which it begins, "mon" to "sun"; none is every day.
	Days []string `json:"days,omitempty"`
	// From and To are the hours between which it is in force, "15:04". With a To that
	// is not after From it ends on the day after.
	From string `json:"from"`
	To   string `json:"to"`
	// TimeZone is a name of the IANA's, such as "Europe/Berlin"; empty is UTC.
	TimeZone    string `json:"time_zone,omitempty"`
	MinReplicas int    `json:"min_replicas"`
	MaxReplicas int    `json:"max_replicas"`
}

// days are the names of the days of a week, as time.Weekday counts them.
func days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// hour reads "15:04".
func hour(text string) (h, m int, ok bool) {
	t, err := time.Parse("15:04", text)
	return t.Hour(), t.Minute(), err == nil && len(text) == len("15:04")
}

// At gives the policy as it is at a moment: with the limits of the first schedule
// that is in force, if one is. Next is when that may be another; zero for never.
func (p ReplicaPolicy) At(now time.Time) (in ReplicaPolicy, next time.Time) {
	in, found := p, false
	for _, s := range p.Schedules {
		now, edge := s.at(now)
		if now && !found {
			in.MinReplicas, in.MaxReplicas, found = s.MinReplicas, s.MaxReplicas, true
		}
		if !edge.IsZero() && (next.IsZero() || edge.Before(next)) {
			next = edge
		}
	}
	return in, next
}

// Most is the greatest number of replicas that a policy allows at any hour.
func (p ReplicaPolicy) Most() int {
	most := p.MaxReplicas
	for _, s := range p.Schedules {
		most = max(most, s.MaxReplicas)
	}
	return most
}

// at reports whether the schedule is in force, and when it next begins or ends. One
// that is not valid never is.
func (s Schedule) at(now time.Time) (in bool, next time.Time) {
	zone, err := time.LoadLocation(s.TimeZone)
	fromHour, fromMinute, ok := hour(s.From)
	toHour, toMinute, also := hour(s.To)
	if err != nil || !ok || !also {
		return false, time.Time{}
	}
	later := 0
	if toHour*60+toMinute <= fromHour*60+fromMinute {
		later = 1
	}
	local := now.In(zone)
	year, month, day := local.Date()
	// From yesterday, as it may have begun then, over a whole week.
	for offset := -1; offset <= 7; offset++ {
		// Noon is on every day, whatever the clocks do.
		weekday := time.Date(year, month, day+offset, 12, 0, 0, 0, zone).Weekday()
		if len(s.Days) > 0 && !slices.Contains(s.Days, days()[weekday]) {
			continue
		}
		from := time.Date(year, month, day+offset, fromHour, fromMinute, 0, 0, zone)
		to := time.Date(year, month, day+offset+later, toHour, toMinute, 0, 0, zone)
		in = in || !now.Before(from) && now.Before(to)
		for _, edge := range []time.Time{from, to} {
			if edge.After(now) && (next.IsZero() || edge.Before(next)) {
				next = edge
			}
		}
	}
	return in, next
}

// validate checks a schedule of a policy.
func (s Schedule) validate(es *FieldErrors, at string, p ReplicaPolicy) {
	for i, day := range s.Days {
		if !slices.Contains(days(), day) {
			es.oneOf(item(at+".days", i), day, days())
		}
	}
	for _, end := range []struct{ name, text string }{{"from", s.From}, {"to", s.To}} {
		if _, _, ok := hour(end.text); !ok {
			es.add(at+"."+end.name, nil, "%q is not an hour; write it as \"08:00\" or \"17:30\".", end.text)
		}
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		es.add(at+".time_zone", nil, "%q is not the name of a time zone, such as \"Europe/Berlin\" or \"UTC\".", s.TimeZone)
	}
	if !es.replicas(at+".min_replicas", s.MinReplicas) || !es.replicas(at+".max_replicas", s.MaxReplicas) {
		return
	}
	switch {
	case s.MaxReplicas < s.MinReplicas:
		es.add(at+".max_replicas", []string{at + ".min_replicas"}, "max_replicas is %d, which is less than min_replicas, %d.", s.MaxReplicas, s.MinReplicas)
	case s.MaxReplicas > s.MinReplicas && !p.Scales():
		const policy = "replica_policy."
		es.add(at+".max_replicas", []string{at + ".min_replicas", policy + "target_qps_per_replica", policy + "target_concurrency_per_replica", policy + "external_metric"},
			"max_replicas is %d and min_replicas is %d, but nothing scales between them; set a target, or leave max_replicas out.", s.MaxReplicas, s.MinReplicas)
	}
}
