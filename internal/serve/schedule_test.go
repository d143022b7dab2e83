// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestSchedulesAreInForceAtTheirHours(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	week := []string{"mon", "tue", "wed", "thu", "fri"}
	p := serve.NewSpec("").ReplicaPolicy
	p.MinReplicas, p.MaxReplicas = 1, 2
	p.Schedules = []serve.Schedule{
		{Days: week, From: "08:00", To: "20:00", TimeZone: "Europe/Berlin", MinReplicas: 4, MaxReplicas: 8},
		{Days: []string{"sat"}, From: "22:00", To: "02:00", TimeZone: "Europe/Berlin", MinReplicas: 6, MaxReplicas: 6},
		{From: "19:00", To: "21:00", TimeZone: "Europe/Berlin", MinReplicas: 3, MaxReplicas: 3},
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	for _, row := range []struct {
		name string
		at   time.Time
		min  int
		next time.Time
	}{
		// The 2nd of March 2026 is a Monday.
		{"before it begins", at(2, 7, 59), 1, at(2, 8, 0)},
		{"when it begins", at(2, 8, 0), 4, at(2, 19, 0)},
		{"the first of two", at(2, 19, 30), 4, at(2, 20, 0)},
		{"the second goes on", at(2, 20, 0), 3, at(2, 21, 0)},
		{"when it has ended", at(2, 21, 0), 1, at(3, 8, 0)},
		{"in another zone", at(2, 8, 0).UTC(), 4, at(2, 19, 0)},
		{"on a Saturday", at(7, 12, 0), 1, at(7, 19, 0)},
		{"that goes into the night", at(7, 23, 0), 6, at(8, 2, 0)},
		{"of the day after", at(8, 1, 59), 6, at(8, 2, 0)},
		{"and no longer", at(8, 2, 0), 1, at(8, 19, 0)},
		{"from Friday to Saturday", at(6, 21, 30), 1, at(7, 19, 0)},
		// In the night to the 29th the clocks go from 2 to 3.
		{"in a night that is shorter", time.Date(2026, 3, 28, 23, 30, 0, 0, berlin), 6, time.Date(2026, 3, 29, 2, 0, 0, 0, berlin)},
	} {
		in, next := p.At(row.at)
		if in.MinReplicas != row.min || !next.Equal(row.next) {
			t.Errorf("%s: at least %d until %v, want %d until %v", row.name, in.MinReplicas, next.In(berlin), row.min, row.next)
		}
	}
	if p.Most() != 8 {
		t.Errorf("at most there are %d", p.Most())
	}
	if _, next := serve.NewSpec("").ReplicaPolicy.At(at(2, 8, 0)); !next.IsZero() {
		t.Errorf("without schedules something changes %v", next)
	}
}
