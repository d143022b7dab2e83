// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

// Scenario is a story to be played: a service, the places where it may have
// machines, and what happens when.
type Scenario struct {
	spec   serve.Spec
	places []*place
	events []happening
	pace   pace
	notice time.Duration
	until  time.Duration
}

// place is a location with what it sells.
type place struct {
	location serve.Location
	offers   []serve.Offer
	// capacity is how many spot machines there are, held how many are had.
	capacity, held map[serve.Market]int
}

// happening is an event at its time. It says what happens, and lets it happen.
type happening struct {
	at  time.Duration
	say string
	do  func(*playing, time.Time) error
}

// file is a scenario as it is written; see ParseScenario.
type file struct {
	Service   string         `json:"service"`
	ColdStart *span          `json:"cold_start"`
	Provision span           `json:"provision"`
	Teardown  span           `json:"teardown"`
	Notice    span           `json:"notice"`
	Until     *span          `json:"until"`
	Locations []locationFile `json:"locations"`
	Events    []eventFile    `json:"events"`
}

type locationFile struct {
	Infra        string   `json:"infra"`
	InstanceType string   `json:"instance_type"`
	CPUs         float64  `json:"cpus"`
	Accelerators string   `json:"accelerators"`
	Spot         *float64 `json:"spot"`
	OnDemand     *float64 `json:"on_demand"`
	Capacity     *int     `json:"capacity"`
}

// span is a length of time in Go's form: "90s", "1h30m".
type span time.Duration

// UnmarshalJSON reads a string in Go's form, or the number 0.
func (s *span) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%s is not a length of time such as \"90s\" or \"1h30m\"", data)
	}
	*s = span(d)
	return nil
}

// ParseScenario reads a scenario file. It is a YAML mapping:
//
//	service: service.yaml        # a SkyServe YAML file, or its content right here
//	cold_start: 3m               # from a machine's grant until its replica is ready;
//	                             # left out, replicas are ready when an event says so
//	provision: 10s               # from a launch until it is granted or refused
//	teardown: 30s                # from the end of a replica until it is gone
//	notice: 2m                   # how long before it happens a preemption is told
//	until: 1h                    # when to stop; ten minutes after the last event
//	locations:
//	- infra: gcp/us-east1/us-east1-b
//	  instance_type: n2-standard-2
//	  cpus: 2                    # for the table only, as are accelerators
//	  spot: 0.02                 # price in US dollars per hour; left out, there is none
//	  on_demand: 0.10
//	  capacity: 4                # of spot machines; left out, any number
//	events:
//	- {at: 0s, qps: 2}
//	- {at: 2m, qps: 2, takes: 15s}                       # so that 30 are under way
//	- {at: 3m, metric: 40}                               # what external_metric is then
//	- {at: 4m, replica: 1, becomes: preempted}
//	- {at: 5m, capacity: 0, infra: gcp/us-east1}           # market: spot by default
//	- {at: 9m, update: new.yaml}                           # or the content right here
//
// A replica becomes ready, not_ready, preempted, lost (an on-demand machine that
// is gone), failed, failed_initial_delay or failed_probing. Read opens files
// that the scenario names.
func ParseScenario(data []byte, read func(name string) ([]byte, error)) (*Scenario, error) {
	converted, err := skyserve.JSON(data, "service", "update")
	if err != nil {
		return nil, err
	}
	var f file
	decoder := json.NewDecoder(bytes.NewReader(converted))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("it is not a scenario: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	s := &Scenario{pace: pace{provision: time.Duration(f.Provision), teardown: time.Duration(f.Teardown), held: f.ColdStart == nil}, notice: time.Duration(f.Notice)}
	if f.ColdStart != nil {
		s.pace.coldStart = time.Duration(*f.ColdStart)
	}
	if s.spec, err = readService("service", f.Service, read); err != nil {
		return nil, err
	}
	if err := s.readLocations(f.Locations); err != nil {
		return nil, err
	}
	for i, e := range f.Events {
		h, err := s.readEvent(e, read)
		if err != nil {
			return nil, fmt.Errorf("events[%d]: %w", i, err)
		}
		s.events = append(s.events, h)
		s.until = max(s.until, h.at+10*time.Minute)
	}
	slices.SortStableFunc(s.events, func(a, b happening) int { return int(a.at - b.at) })
	if f.Until != nil {
		s.until = time.Duration(*f.Until)
	}
	return s, nil
}

// readService reads a service YAML, given as its content or as the name of a file.
func readService(path, text string, read func(string) ([]byte, error)) (serve.Spec, error) {
	if text == "" {
		return serve.Spec{}, fmt.Errorf("%s: it is missing; write a SkyServe YAML there, or the name of a file with one", path)
	}
	data := []byte(text)
	if !strings.Contains(text, "\n") {
		var err error
		if data, err = read(text); err != nil {
			return serve.Spec{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	service, err := skyserve.Parse(data)
	if err != nil {
		return serve.Spec{}, fmt.Errorf("%s, its lines counted from its own beginning: %w", path, err)
	}
	if service.Name == "" {
		service.Name = "service"
	}
	return service.Spec, nil
}

func (s *Scenario) readLocations(locations []locationFile) error {
	if len(locations) == 0 {
		return fmt.Errorf("locations: there is none; name at least one, with a price for spot or on_demand")
	}
	for i, l := range locations {
		at := fmt.Sprintf("locations[%d]", i)
		p := &place{location: serve.ParseLocation(l.Infra), capacity: map[serve.Market]int{}, held: map[serve.Market]int{}}
		if p.location.Cloud == "" {
			return fmt.Errorf("%s.infra: %q names no cloud; write cloud/region/zone, as in gcp/us-east1/us-east1-b", at, l.Infra)
		}
		for _, offered := range []struct {
			name   string
			market serve.Market
			price  *float64
		}{{"spot", serve.Spot, l.Spot}, {"on_demand", serve.OnDemand, l.OnDemand}} {
			if offered.price == nil {
				continue
			}
			if *offered.price < 0 || math.IsInf(*offered.price, 0) || math.IsNaN(*offered.price) {
				return fmt.Errorf("%s.%s: %v dollars per hour cannot be", at, offered.name, *offered.price)
			}
			p.offers = append(p.offers, serve.Offer{Location: p.location, Market: offered.market, InstanceType: l.InstanceType,
				Price: *offered.price, CPUs: l.CPUs, Accelerators: l.Accelerators})
			p.capacity[offered.market] = unlimited
		}
		if len(p.offers) == 0 {
			return fmt.Errorf("%s: it sells nothing; give a price for spot or on_demand", at)
		}
		if l.Capacity != nil {
			if *l.Capacity < 0 {
				return fmt.Errorf("%s.capacity: %d machines cannot be; it must be 0 or more", at, *l.Capacity)
			}
			p.capacity[serve.Spot] = *l.Capacity
		}
		s.places = append(s.places, p)
	}
	return nil
}
