// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
)

// Agents look at their machines every so often, and answer so long after their launch.
const (
	every = 5 * time.Second
	boot  = 20 * time.Second
)

// Through a day on which something goes wrong every three minutes there are never two
// machines of one replica, and when the service is deleted nothing is left. Of two
// clouds all of one is lost for an hour now and then, and then the service is on the
// other. SERVE_TEST_SEED plays another day.
func TestADayOfChaosLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		worlds func(t *testing.T, seed uint64) []*fleettest.World
	}{
		{"on AWS", func(t *testing.T, seed uint64) []*fleettest.World {
			a, _ := onAWS(t, seed, every, boot)
			return []*fleettest.World{a}
		}},
		{"on Google Cloud", func(t *testing.T, seed uint64) []*fleettest.World {
			g, _ := onGCP(t, seed, every, boot)
			return []*fleettest.World{g}
		}},
		{"on both", func(t *testing.T, seed uint64) []*fleettest.World {
			a, _ := onAWS(t, seed, every, boot)
			g, _ := onGCP(t, seed, every, boot)
			return []*fleettest.World{a, g}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seed := fleettest.Seed(t)
				d := fleettest.NewDay(t, seed, fleettest.InMemory(), row.worlds(t, seed)...)
				d.Play(fleettest.Faults)
				if n := d.Done[fleettest.Begun]; n > 0 {
					t.Errorf("%d controllers have ended by themselves", n)
				}
			})
		})
	}
}

// Like half of any other day, but that the state is in a bucket, with which things go
// wrong too, and that machines of controllers are given up for dead that are not: then
// there are two controllers for a while, each of which takes the service for its own.
func TestADayOfChaosWithTheStateInABucketLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		day  func(t *testing.T, seed uint64) *fleettest.Day
	}{
		{"of S3", func(t *testing.T, seed uint64) *fleettest.Day {
			w, a := onAWS(t, seed, every, boot)
			d := fleettest.NewDay(t, seed, inS3(t, a), w)
			d.More = troublesOfS3(d, a)
			return d
		}},
		{"of Cloud Storage", func(t *testing.T, seed uint64) *fleettest.Day {
			w, g := onGCP(t, seed, every, boot)
			d := fleettest.NewDay(t, seed, inCloudStorage(t, g), w)
			d.More = troublesOfCloudStorage(d, g)
			return d
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := row.day(t, fleettest.Seed(t))
				d.More = append(d.More, d.Twins()...)
				d.Play(fleettest.Faults / 2)
				if d.Done[fleettest.Yielded]+d.Done[fleettest.Begun] == 0 {
					t.Error("no controller has ever heard of another")
				}
			})
		})
	}
}
