// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import "time"

// What is counted of controllers that find that another one has saved.
const (
	Yielded = "a controller gave way to its successor"
	Begun   = "a controller was ended by the one before, and began anew"
)

// Twins are the troubles that come of a controller that is given up for dead, and is
// not. They are for a day on which the state is where two controllers can have it.
func (d *Day) Twins() []Trouble {
	return []Trouble{
		{"a controller given up while it lives", d.twins},
		{"a controller given up in the middle of a launch", func() {
			w := d.Home.Worlds[d.Random.IntN(len(d.Home.Worlds))]
			w.Kill(d.victim(w).ID)
			d.Pass(time.Duration(5+d.Random.IntN(20)) * time.Second)
			d.twins()
		}},
	}
}

// twins starts a second controller beside the one there is, which is cut off after
// some minutes.
func (d *Day) twins() {
	old := d.Current
	d.Current = d.Home.Begin(d.T)
	for range 1 + d.Random.IntN(6) {
		d.Pass(20 * time.Second)
		d.restart()
	}
	select {
	case <-old.Over:
		d.Done[Yielded]++
	default:
	}
	old.Kill()
}

// restart starts a controller again that has ended by itself, as its machine does.
func (d *Day) restart() {
	select {
	case <-d.Current.Over:
		d.Done[Begun]++
		d.Current = d.Home.Begin(d.T)
	default:
	}
}
