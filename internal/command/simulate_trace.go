// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/sim"
	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

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
