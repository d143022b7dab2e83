// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/sim"
	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
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
	for _, element := range strings.Split(value, ",") {
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
	if (len(s.traces.values) == 0) == (s.scenario == "") {
		return usageError{"it takes either a --trace to live through or a --scenario to play"}
	}
	if s.scenario != "" {
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
	switch {
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

// spec gives the service to simulate.
func (s simulation) spec(one setting) (serve.Spec, error) {
	spec := serve.NewSpec("service")
	if s.service != "" {
		data, err := os.ReadFile(s.service)
		if err != nil {
			return spec, err
		}
		service, err := skyserve.Parse(data)
		if err != nil {
			return spec, fmt.Errorf("reading %s: %w", s.service, err)
		}
		spec = service.Spec
		spec.Name = cmp.Or(spec.Name, "service")
	} else {
		spot := true
		spec.Run, spec.Resources.Ports, spec.Resources.UseSpot = "server", "8080", &spot
		spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = one.replicas, one.replicas
		spec.ReplicaPolicy.DynamicOndemandFallback = true
	}
	p := &spec.ReplicaPolicy
	if one.placer != "" {
		p.Fixed, p.SpotPlacer = false, one.placer
	}
	switch {
	case s.given["overprovision"]:
		p.Fixed, p.NumOverprovision = false, s.overprovision
	case p.SpotPlacer == serve.SpotHedgePlacer && s.service == "":
		p.NumOverprovision = 1 // as it was measured
	}
	if errs := spec.Validate(); len(errs) > 0 {
		return spec, errs
	}
	if p.MinReplicas == 0 {
		return spec, errors.New("a trace has no load, so that min_replicas is the target; it must be more than 0")
	}
	return spec, nil
}

// replayed is one row of the output of a replay.
type replayed struct {
	Trace              string  `json:"trace"`
	Placer             string  `json:"placer"`
	Replicas           int     `json:"replicas"`
	Overprovision      int     `json:"overprovision"`
	ColdStartSeconds   float64 `json:"cold_start_seconds"`
	NoticeSeconds      float64 `json:"notice_seconds"`
	OndemandPriceRatio float64 `json:"ondemand_price_ratio"`
	sim.Result

	trace *sim.Trace
	// noticed says that the notice was asked for.
	noticed bool
}

// replay has the service live through every trace in every setting.
func (p *Program) replay(ctx context.Context, s simulation) error {
	traces := map[string]*sim.Trace{}
	for _, file := range s.traces.values {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		trace, err := sim.ParseTrace(data)
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		trace.Name = cmp.Or(trace.Name, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
		traces[file] = trace
	}
	settings := s.settings()
	rows := make([]replayed, len(settings))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, one := range settings {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			rows[i], err = s.run(traces[one.file], one)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	switch {
	case s.format == "svg":
		return sim.WriteSVG(p.Stdout, rows[0].trace, rows[0].Replicas, rows[0].title(), rows[0].Result)
	case s.format == "json" && len(rows) == 1:
		return json.NewEncoder(p.Stdout).Encode(rows[0])
	case s.format == "json":
		return json.NewEncoder(p.Stdout).Encode(rows)
	default:
		return writeReplays(p.Stdout, rows)
	}
}

// run has the service live through one trace.
func (s simulation) run(trace *sim.Trace, one setting) (replayed, error) {
	spec, err := s.spec(one)
	if err != nil {
		return replayed{}, err
	}
	notice := one.notice.in(trace.Cloud)
	result, err := sim.Replay(trace, spec, sim.ReplayOptions{
		ColdStart: one.coldStart, PriceRatio: one.ratio, Notice: notice, Timeline: s.format == "svg",
	})
	p := spec.ReplicaPolicy
	return replayed{
		Trace: trace.Name, Placer: cmp.Or(p.SpotPlacer, serve.SteadyPlacer), Replicas: p.MinReplicas, Overprovision: p.NumOverprovision,
		ColdStartSeconds: one.coldStart.Seconds(), NoticeSeconds: notice.Seconds(), OndemandPriceRatio: one.ratio,
		Result: result, trace: trace, noticed: one.notice.cloud || notice > 0,
	}, err
}

// title sums up a row for a drawing.
func (r replayed) title() string {
	return fmt.Sprintf("%s on %s: %d replicas at %.1f%% of the on-demand price, %.2f%% available",
		r.Placer, r.Trace, r.Replicas, 100*r.CostVsOnDemand, 100*r.Availability)
}

// writeReplays prints rows as a table, and their means if there are several of a
// placer.
func writeReplays(w io.Writer, rows []replayed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "TRACE\tREPLICAS\tCOLD START\tNOTICE\tRATIO\tPLACER\tCOST\tAVAILABLE\tSERVED\tLOW\tPREEMPTED\tSPOT\tON-DEMAND\t")
	for _, r := range rows {
		replicas := fmt.Sprint(r.Replicas)
		if r.Overprovision > 0 {
			replicas += fmt.Sprintf("+%d", r.Overprovision)
		}
		fmt.Fprintf(table, "%s\t%s\t%gs\t%gs\t%g\t%s\t%.1f%%\t%.2f%%\t%.2f%%\t%.2f%%\t%d\t%d\t%d\t\n", r.Trace, replicas, r.ColdStartSeconds, r.NoticeSeconds, r.OndemandPriceRatio,
			r.Placer, 100*r.CostVsOnDemand, 100*r.Availability, 100*r.Served, 100*r.Low, r.Preemptions, r.SpotLaunches, r.OnDemandLaunches)
	}
	for _, m := range means(rows) {
		if m.runs < 2 {
			continue
		}
		words, n := "without", float64(m.runs)
		if m.noticed {
			words = "with"
		}
		fmt.Fprintf(table, "mean of %d\t\t\t%s\t%g\t%s\t%.1f%%\t%.2f%%\t%.2f%%\t%.2f%%\t%d\t%d\t%d\t\n", m.runs, words, m.ratio, m.placer,
			100*m.sum.CostVsOnDemand/n, 100*m.sum.Availability/n, 100*m.sum.Served/n, 100*m.sum.Low/n,
			m.sum.Preemptions/m.runs, m.sum.SpotLaunches/m.runs, m.sum.OnDemandLaunches/m.runs)
	}
	return table.Flush()
}

// mean is what the runs of one placer add up to, with and without notice apart,
// and each price ratio apart.
type mean struct {
	placer  string
	noticed bool
	ratio   float64
	runs    int
	sum     sim.Result
}

func means(rows []replayed) []mean {
	var all []mean
	for _, r := range rows {
		i := slices.IndexFunc(all, func(m mean) bool {
			return m.placer == r.Placer && m.noticed == r.noticed && m.ratio == r.OndemandPriceRatio
		})
		if i < 0 {
			i = len(all)
			all = append(all, mean{placer: r.Placer, noticed: r.noticed, ratio: r.OndemandPriceRatio})
		}
		m := &all[i]
		m.runs++
		m.sum.CostVsOnDemand += r.CostVsOnDemand
		m.sum.Availability += r.Availability
		m.sum.Served += r.Served
		m.sum.Low += r.Low
		m.sum.Preemptions += r.Preemptions
		m.sum.SpotLaunches += r.SpotLaunches
		m.sum.OnDemandLaunches += r.OnDemandLaunches
	}
	slices.SortStableFunc(all, func(a, b mean) int {
		return cmp.Or(cmp.Compare(a.ratio, b.ratio), strings.Compare(fmt.Sprint(a.noticed), fmt.Sprint(b.noticed)))
	})
	return all
}

// play has the scenario happen, and prints every evaluation of the policy.
func (p *Program) play(s simulation) error {
	data, err := os.ReadFile(s.scenario)
	if err != nil {
		return err
	}
	scenario, err := sim.ParseScenario(data, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(s.scenario), name)
		}
		return os.ReadFile(name)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.scenario, err)
	}
	encoder := json.NewEncoder(p.Stdout)
	var failed error
	err = sim.Play(scenario, func(e sim.Evaluation) {
		if s.format == "json" {
			failed = errors.Join(failed, encoder.Encode(e))
		} else {
			failed = errors.Join(failed, writeEvaluation(p.Stdout, e))
		}
	})
	return errors.Join(err, failed)
}

// writeEvaluation prints an evaluation in which something happened.
func writeEvaluation(w io.Writer, e sim.Evaluation) error {
	if len(e.Events) == 0 && len(e.Decisions) == 0 {
		return nil
	}
	at := time.Duration(e.At * float64(time.Second))
	fmt.Fprintf(w, "%s  %d/%d ready, target %d\n", at, e.Ready, e.Total, e.Target)
	for _, event := range e.Events {
		fmt.Fprintf(w, "    %s\n", event)
	}
	for _, d := range e.Decisions {
		where := ""
		if d.Location != "" {
			where = " in " + d.Location
		}
		if _, err := fmt.Fprintf(w, "  %s %s replica %d%s: %s\n", d.Action, strings.ReplaceAll(string(d.Market), "_", "-"), d.ReplicaID, where, d.Reason); err != nil {
			return err
		}
	}
	return nil
}
