// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Frugality is how often a vendor may be asked for each service in an hour.
type Frugality struct {
	// Idle is in one in which nothing happens, and Losing in one in which the service
	// loses a machine.
	Idle, Losing int
}

// HowOften counts how often a vendor is asked. Each service has a controller of its
// own, as if all were in processes of their own. SERVE_TEST_SERVICES is how many
// services there are beside one alone.
func HowOften(t *testing.T, most Frugality, world func(t *testing.T) *World) {
	many := 5
	if text := os.Getenv("SERVE_TEST_SERVICES"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ services, replicas int }{{1, 10}, {many, 20}} {
		t.Run(fmt.Sprintf("%dx%d", row.services, row.replicas), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := crowd{T: t, world: world(t), replicas: row.replicas}
				c.gather(row.services)
				c.hour("nothing happens", most.Idle*row.services, func() {})
				c.hour("each service loses a machine", most.Losing*row.services, c.lose)
				for _, l := range c.all {
					l.Stop()
				}
			})
		})
	}
}

// crowd is many services on one world.
type crowd struct {
	*testing.T
	world    *World
	replicas int
	all      []*Life
}

// gather starts the services, and waits until all of them have what they want.
func (c *crowd) gather(services int) {
	c.Helper()
	for n := range services {
		service := fmt.Sprintf("web%d", n)
		h := &Home{Service: service, Worlds: []*World{c.world}, Store: InMemory(), Log: io.Discard}
		l := h.Begin(c.T)
		spec := Spec(service, c.replicas, c.world)
		spec.ReadinessProbe.EndpointProbeIntervalSeconds = 60
		if _, err := l.Apply(c.Context(), spec, serve.ApplyOptions{}); err != nil {
			c.Fatal(err)
		}
		c.all = append(c.all, l)
	}
	began := time.Now()
	for c.ready() < services {
		if <-time.After(10 * time.Second); time.Since(began) > 2*time.Hour {
			c.Fatalf("after %v there are all replicas of %d services, %d machines", time.Since(began), c.ready(), len(c.world.machines()))
		}
	}
	c.Logf("all replicas are there after %v and %s", time.Since(began), counted(c.world.Calls()))
}

// ready counts the services that have all they want.
func (c *crowd) ready() (n int) {
	c.Helper()
	for _, l := range c.all {
		s, err := l.Service(c.Context())
		if err != nil {
			c.Fatal(err)
		}
		if s.Counts.Ready == c.replicas && s.Counts.Spot == c.replicas && s.Counts.Total == c.replicas {
			n++
		}
	}
	return n
}

// hour counts what is asked in an hour that begins with something.
func (c *crowd) hour(what string, most int, do func()) {
	c.Helper()
	before := c.world.Calls()
	do()
	<-time.After(time.Hour)
	calls := c.world.Calls()
	total := 0
	for name := range calls {
		calls[name] -= before[name]
		total += calls[name]
	}
	maps.DeleteFunc(calls, func(_ string, n int) bool { return n == 0 })
	c.Logf("%s in an hour in which %s", counted(calls), what)
	if total > most {
		c.Errorf("they are more than %d", most)
	}
	if n := c.ready(); n != len(c.all) {
		c.Errorf("then %d services have all they want", n)
	}
}

// lose has each service lose a machine.
func (c *crowd) lose() {
	losing := map[string]bool{}
	for _, m := range c.world.machines() {
		if !losing[m.Service] {
			losing[m.Service] = true
			c.world.Interrupt(m.ID)
		}
	}
}
