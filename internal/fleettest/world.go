// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"math/rand/v2"
	"net/http"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// World is an emulated cloud, with the cloud of ours that has machines there.
type World struct {
	// Name is what is said of it, and Infra where a service may have machines in it.
	Name, Infra string
	// New gives a cloud of ours, of what is filled in for a controller; Brief is what
	// it is to know at first.
	New   func(fleet.Options) serve.Cloud
	Brief string
	// Transport is the way to the vendor, and Stations are the agents.
	Transport http.RoundTripper
	Stations  *Stations
	// Interrupt has the vendor take a machine back after a notice, and Kill ends it as
	// if its hardware had failed.
	Interrupt, Kill func(id string)
	// Troubles gives what can go wrong, once, with a machine that may be the victim;
	// its ID is empty when there is none.
	Troubles func(random *rand.Rand, victim Machine) []Trouble
	// Calm lets nothing go wrong any more.
	Calm func()
	// Down has all of the cloud be lost, or there again.
	Down func(bool)
	// Left names all that is left there, and Calls counts what was asked.
	Left  func() []string
	Calls func() map[string]int
}

// Trouble is something that goes wrong.
type Trouble struct {
	Name string
	Do   func()
}

// machines gives those that there are, or are about to be.
func (w *World) machines() []Machine { return w.Stations.Machines() }
