// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// Faults is how many things go wrong within a day.
	Faults = 500
	// lost is for how long a whole cloud is lost.
	lost = time.Hour
	// replicas is how many of them the service has.
	replicas = 6
)

// Seed is which day is played: SERVE_TEST_SEED plays another one.
func Seed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("SERVE_TEST_SEED")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Day is a service through the lives of several controllers, on which things go
// wrong. Whatever does, there are never two machines of one replica.
type Day struct {
	T      *testing.T
	Home   *Home
	Random *rand.Rand
	// More are things that go wrong on this day only.
	More []Trouble
	// Given is what the controllers have found in their worlds, and are to leave.
	Given []string
	// Done counts what has gone wrong, by its kind.
	Done map[string]int
	// Current is the controller there is.
	Current *Life

	// gone is the world that is lost, until back.
	gone *World
	back time.Time
	// seen are the machines that there ever were, by world and id.
	seen map[string]map[string]bool
}

// NewDay gives a day of a service that may have machines in any of the worlds. A
// controller is there, and the service is asked for.
func NewDay(t *testing.T, seed uint64, store StoreOf, worlds ...*World) *Day {
	t.Helper()
	d := &Day{
		T: t, Home: &Home{Service: "web", Worlds: worlds, Store: store, Log: t.Output()},
		Random: rand.New(rand.NewPCG(seed, 7)), Done: map[string]int{}, seen: map[string]map[string]bool{},
	}
	d.Given = d.left()
	d.Current = d.Home.Begin(t)
	spec := Spec("web", replicas, worlds...)
	spec.ReplicaPolicy.BaseOndemandFallbackReplicas = 1
	if _, err := d.Current.Apply(t.Context(), spec, serve.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	return d
}

// Spec is a service of spot replicas in any of the worlds.
func Spec(service string, replicas int, worlds ...*World) serve.Spec {
	spec := serve.NewSpec(service)
	spec.ReadinessProbe.EndpointProbeIntervalSeconds = 30
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = replicas, replicas
	spec.ReplicaPolicy.DynamicOndemandFallback = true
	spot := true
	spec.Resources.UseSpot, spec.Resources.CPUs, spec.Resources.Ports = &spot, "2+", "8080"
	for _, w := range worlds {
		spec.Resources.AnyOf = append(spec.Resources.AnyOf, serve.Resource{Infra: w.Infra})
	}
	spec.Run = "server"
	return spec
}

// Play has so many things go wrong, each a while after the other, lets nothing go
// wrong any more, and deletes the service.
func (d *Day) Play(faults int) {
	d.T.Helper()
	for turn := range faults {
		d.goWrong(turn)
		d.Pass(24 * time.Hour / Faults)
		d.restart()
	}
	d.calm()
	d.end()
}

// goWrong has one thing go wrong, each kind as often as the others.
func (d *Day) goWrong(turn int) {
	d.T.Helper()
	kinds := []Trouble{{"controller killed", d.Kill}}
	for _, w := range d.Home.Worlds {
		victim := d.victim(w)
		for _, t := range w.Troubles(d.Random, victim) {
			kinds = append(kinds, Trouble{w.Name + ": " + t.Name, t.Do})
		}
		kinds = append(kinds, Trouble{w.Name + ": controller killed in the middle of a launch", func() {
			// Something has to be launched, and is answered too late.
			w.Kill(victim.ID)
			d.Pass(time.Duration(5+d.Random.IntN(20)) * time.Second)
			d.Kill()
		}})
	}
	if n := len(d.Home.Worlds); n > 1 {
		w := d.Home.Worlds[d.Random.IntN(n)]
		kinds = append(kinds, Trouble{w.Name + ": all of it lost for an hour", func() { d.lose(w) }})
	}
	kinds = append(kinds, d.More...)
	k := kinds[turn%len(kinds)]
	d.Done[k.Name]++
	k.Do()
}

// victim is one of the machines of a world; the zero value where there is none.
func (d *Day) victim(w *World) Machine {
	all := w.machines()
	if len(all) == 0 {
		return Machine{}
	}
	return all[d.Random.IntN(len(all))]
}

// Kill ends the controller in the middle of whatever it does, and starts another.
func (d *Day) Kill() {
	d.Current.Kill()
	d.Current = d.Home.Begin(d.T)
}

// lose has a world be lost for a while, one at a time.
func (d *Day) lose(w *World) {
	if d.gone == nil {
		d.gone, d.back = w, time.Now().Add(lost)
		w.Down(true)
	}
}

// find has the world that was lost be there again, when its time has come.
func (d *Day) find() {
	if d.gone != nil && !time.Now().Before(d.back) {
		d.gone.Down(false)
		d.gone = nil
	}
}

// Pass lets time go by, and looks all along whether a replica has two machines.
func (d *Day) Pass(span time.Duration) {
	d.T.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		<-time.After(10 * time.Second)
		d.find()
		by := map[string]string{}
		for _, w := range d.Home.Worlds {
			for _, m := range w.machines() {
				where := w.Name + "'s " + m.ID
				if other := by[m.Replica]; other != "" {
					d.T.Fatalf("replica %s has two machines, %s and %s", m.Replica, other, where)
				}
				by[m.Replica] = where
				if d.seen[w.Name] == nil {
					d.seen[w.Name] = map[string]bool{}
				}
				d.seen[w.Name][m.ID] = true
			}
		}
	}
}

// calm lets nothing go wrong any more, and then all must be as it was asked for.
func (d *Day) calm() {
	d.T.Helper()
	d.back = time.Now()
	d.find()
	for _, w := range d.Home.Worlds {
		w.Calm()
	}
	d.Pass(2 * time.Hour)
	s, err := d.Current.Service(d.T.Context())
	if err != nil {
		d.T.Fatal(err)
	}
	var recorded, there []string
	for _, r := range s.Replicas {
		if r.Status() == serve.Ready {
			recorded = append(recorded, r.Instance)
		}
	}
	for _, w := range d.Home.Worlds {
		for _, m := range w.machines() {
			there = append(there, m.ID)
		}
	}
	slices.Sort(recorded)
	slices.Sort(there)
	if s.Counts.Ready != replicas || s.Counts.OnDemand != 1 || !slices.Equal(recorded, there) {
		d.T.Errorf("after the day %+v, by the controller %v, by the books %v", s.Counts, recorded, there)
	}
}

// end deletes the service, of which nothing may be left.
func (d *Day) end() {
	d.T.Helper()
	if err := d.Current.Delete(d.T.Context()); err != nil {
		d.T.Fatal(err)
	}
	if err := d.Current.Watch(d.T.Context(), func(serve.Service) bool { return true }); !errors.Is(err, serve.ErrNotFound) {
		d.T.Errorf("waiting for the end: %v", err)
	}
	for _, c := range d.Current.clouds {
		if cleaner, ok := c.(serve.Cleaner); ok {
			if err := cleaner.Clean(d.T.Context(), "web"); err != nil {
				d.T.Error(err)
			}
		}
	}
	d.Current.Stop()
	if left := d.left(); !slices.Equal(left, d.Given) {
		d.T.Errorf("left behind: %q", left)
	}
	for _, w := range d.Home.Worlds {
		if len(d.seen[w.Name]) == 0 {
			d.T.Errorf("there never was a machine on %s", w.Name)
		}
		d.T.Logf("%d machines on %s in a day, %s", len(d.seen[w.Name]), w.Name, counted(w.Calls()))
	}
	d.T.Logf("went wrong: %v", d.Done)
}

// left names all that there is in the worlds.
func (d *Day) left() []string {
	var all []string
	for _, w := range d.Home.Worlds {
		all = append(all, w.Left()...)
	}
	return all
}

// counted gives calls with their sum.
func counted(calls map[string]int) string {
	total := 0
	for _, n := range calls {
		total += n
	}
	return fmt.Sprintf("%d calls: %v", total, calls)
}
