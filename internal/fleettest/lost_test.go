// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
)

// Whichever of two clouds is lost, with or without the controller at the same moment,
// the service is soon as large as before, on the other one.
func TestAServiceOutlivesTheLossOfACloud(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		lost int
		dies bool
	}{
		{"AWS", 0, false},
		{"Google Cloud", 1, false},
		{"AWS and the controller", 0, true},
		{"Google Cloud and the controller", 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, _ := onAWS(t, 0, every, boot)
				g, _ := onGCP(t, 0, every, boot)
				worlds := []*fleettest.World{a, g}
				lost, other := worlds[row.lost], worlds[1-row.lost]
				other.Down(true) // so that all of it is on the one that will be lost
				d := fleettest.NewDay(t, 0, fleettest.InMemory(), worlds...)
				d.Pass(30 * time.Minute)
				if n := len(lost.Stations.Machines()); n != 6 {
					t.Fatalf("there are %d machines on %s", n, lost.Name)
				}
				other.Down(false)
				d.Pass(30 * time.Minute) // in which it is heard of again
				lost.Down(true)
				if row.dies {
					d.Kill()
				}
				d.Pass(10 * time.Minute)
				s, err := d.Current.Service(t.Context())
				if n := len(other.Stations.Machines()); err != nil || s.Counts.Ready != 6 || n != 6 {
					t.Errorf("ten minutes later there are %d machines on %s, and the service has %+v, %v", n, other.Name, s.Counts, err)
				}
				lost.Down(false)
				d.Play(0)
			})
		})
	}
}
