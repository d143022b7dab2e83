// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// simulation is the command line of simulate. Where a list has several elements,
// every combination is run.
type simulation struct {
	scenario, service, format string
	traces, placers           list[string]
	replicas                  list[int]
	overprovision             int
	coldStarts                list[time.Duration]
	notices                   list[notice]
	ratios                    list[float64]
	// given are the flags that were given.
	given map[string]bool
}

// list is a flag that takes one value or several with commas.
type list[T any] struct {
	values []T
	parse  func(string) (T, error)
}

func (l *list[T]) String() string { return fmt.Sprint(l.values) }

// Set takes the elements of a comma-separated value, in the stead of the default.
func (l *list[T]) Set(value string) error {
	l.values = nil
	for element := range strings.SplitSeq(value, ",") {
		v, err := l.parse(element)
		if err != nil {
			return err
		}
		l.values = append(l.values, v)
	}
	return nil
}

// notice is how long before it is taken a machine is told, or what the cloud of
// a trace gives.
type notice struct {
	time.Duration
	cloud bool
}

// in gives the notice in a cloud: AWS gives two minutes, the others half of one.
func (n notice) in(cloud string) time.Duration {
	switch {
	case !n.cloud:
		return n.Duration
	case cloud == "aws":
		return 2 * time.Minute
	default:
		return 30 * time.Second
	}
}

// positive reads a whole number above 0.
func positive(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no number above 0", text)
	}
	return n, nil
}

// span reads a length of time.
func span(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no length of time such as 180s or 10m", text)
	}
	return d, nil
}

// simulate shows what a service would do, in virtual time.
func (p *Program) simulate(ctx context.Context, args []string) error {
	asIs := func(text string) (string, error) { return text, nil }
	s := simulation{
		traces: list[string]{parse: asIs}, placers: list[string]{values: []string{""}, parse: asIs},
		replicas:   list[int]{values: []int{0}, parse: positive},
		coldStarts: list[time.Duration]{values: []time.Duration{3 * time.Minute}, parse: span},
		notices: list[notice]{values: []notice{{}}, parse: func(text string) (notice, error) {
			if text == "cloud" {
				return notice{cloud: true}, nil
			}
			d, err := span(text)
			return notice{Duration: d}, err
		}},
		ratios: list[float64]{values: []float64{3}, parse: func(text string) (float64, error) {
			ratio, err := strconv.ParseFloat(text, 64)
			if err != nil || !(ratio > 0) || math.IsInf(ratio, 0) {
				return 0, fmt.Errorf("%q is no price of an on-demand machine, where a spot one costs 1", text)
			}
			return ratio, nil
		}},
		given: map[string]bool{},
	}
	f := newFlags("simulate")
	f.Var(&s.traces, "trace", "")
	f.StringVar(&s.scenario, "scenario", "", "")
	f.StringVar(&s.service, "service", "", "")
	f.Var(&s.replicas, "replicas", "")
	f.Var(&s.coldStarts, "cold-start", "")
	f.Var(&s.ratios, "ondemand-price-ratio", "")
	f.Var(&s.notices, "notice", "")
	f.IntVar(&s.overprovision, "overprovision", 0, "")
	f.Var(&s.placers, "placer", "")
	f.StringVar(&s.format, "format", "table", "")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	f.Visit(func(given *flag.Flag) { s.given[given.Name] = true })
	if err := s.check(); err != nil {
		return err
	}
	if s.scenario != "" {
		return p.play(s)
	}
	return p.replay(ctx, s)
}

// check refuses what does not go together.
func (s simulation) check() error {
	switch {
	case (len(s.traces.values) == 0) == (s.scenario == ""):
		return usageError{"it takes either a --trace to live through or a --scenario to play"}
	case s.scenario != "":
		return s.checkScenario()
	case (s.service != "") == s.given["replicas"]:
		return usageError{"a trace needs either --service, a SkyServe YAML file, or --replicas, their number"}
	case s.overprovision < 0:
		return usageError{fmt.Sprintf("--overprovision %d cannot be; it must be 0 or more", s.overprovision)}
	case s.format != "table" && s.format != "json" && s.format != "svg":
		return usageError{fmt.Sprintf("--format %q is not known; it is table, json or svg", s.format)}
	case s.format == "svg" && len(s.settings()) > 1:
		return usageError{"--format svg draws one run, and this would be several"}
	default:
		return nil
	}
}

func (s simulation) checkScenario() error {
	for name := range s.given {
		if name != "scenario" && name != "format" && name != "home" {
			return usageError{fmt.Sprintf("--%s is for a trace; a scenario says such things by itself", name)}
		}
	}
	if s.format != "table" && s.format != "json" {
		return usageError{fmt.Sprintf("--format %q is not known for a scenario; it is table or json", s.format)}
	}
	return nil
}

// setting is one combination of what the lists have.
type setting struct {
	file, placer string
	replicas     int
	coldStart    time.Duration
	notice       notice
	ratio        float64
}

// settings gives every combination, those that differ in the placer only next to
// each other.
func (s simulation) settings() []setting {
	var all []setting
	for _, file := range s.traces.values {
		for _, replicas := range s.replicas.values {
			for _, coldStart := range s.coldStarts.values {
				for _, ratio := range s.ratios.values {
					for _, notice := range s.notices.values {
						for _, placer := range s.placers.values {
							all = append(all, setting{file, placer, replicas, coldStart, notice, ratio})
						}
					}
				}
			}
		}
	}
	return all
}
