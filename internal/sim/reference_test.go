// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim_test

import (
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/sim"
)

// reference is what an independent replay of the same traces has found, at a
// price ratio of 3 and without notice: the cost and the availability in percent of
// SkyServe's rule and of the SpotHedge paper's, and the least cost at which
// anybody who knew the trace could have had all replicas ready all the time.
type reference struct {
	set            string
	replicas       int
	coldStart      time.Duration
	skyserve       figure
	spothedge      figure
	omniscientCost float64
}

type figure struct{ cost, available float64 }

func references() []reference {
	const brief, long = 180 * time.Second, 600 * time.Second
	return []reference{
		{"aws-02-15-2023-v100_1", 4, brief, figure{0.351, 98.85}, figure{0.436, 99.17}, 0.341},
		{"aws-02-15-2023-v100_1", 16, brief, figure{0.349, 98.88}, figure{0.372, 98.76}, 0.341},
		{"aws-02-15-2023-v100_1", 4, long, figure{0.361, 96.78}, figure{0.449, 97.69}, 0.347},
		{"aws-02-15-2023-v100_1", 16, long, figure{0.358, 96.97}, figure{0.384, 96.63}, 0.347},
		{"aws-04-19-2023-intel_64", 4, brief, figure{0.424, 96.26}, figure{0.449, 98.19}, 0.363},
		{"aws-04-19-2023-intel_64", 16, brief, figure{0.435, 96.26}, figure{0.387, 98.19}, 0.363},
		{"aws-04-19-2023-intel_64", 4, long, figure{0.463, 90.98}, figure{0.480, 95.39}, 0.385},
		{"aws-04-19-2023-intel_64", 16, long, figure{0.479, 90.98}, figure{0.418, 95.39}, 0.385},
		{"aws-08-03-2023-v100_1x4", 4, brief, figure{0.545, 98.35}, figure{0.536, 99.22}, 0.404},
		{"aws-08-03-2023-v100_1x4", 16, brief, figure{0.808, 96.27}, figure{0.773, 97.79}, 0.722},
		{"aws-08-03-2023-v100_1x4", 4, long, figure{0.555, 95.42}, figure{0.552, 97.75}, 0.426},
		{"aws-08-03-2023-v100_1x4", 16, long, figure{0.815, 90.85}, figure{0.784, 93.69}, 0.743},
		{"gcp-04-30-2023-c3-88", 4, brief, figure{0.334, 100}, figure{0.417, 100}, 0.334},
		{"gcp-04-30-2023-c3-88", 16, brief, figure{0.334, 100}, figure{0.354, 100}, 0.334},
		{"gcp-04-30-2023-c3-88", 4, long, figure{0.334, 100}, figure{0.417, 100}, 0.334},
		{"gcp-04-30-2023-c3-88", 16, long, figure{0.334, 100}, figure{0.354, 100}, 0.334},
	}
}

// Beside cost and availability of SpotHedge's rule, its means over all of them.
const (
	spothedgeAvailable = 97.99
	spothedgeServed    = 98.94
	spothedgeLow       = 0.77
)

// trace reads one of the traces in testdata.
func trace(t testing.TB, set string) *sim.Trace {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "traces", set+".json"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := sim.ParseTrace(data)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// spotSpec is a service with on-demand fallback under a placer.
func spotSpec(replicas int, placer string) serve.Spec {
	spec := serve.NewSpec("web")
	spot := true
	spec.Resources.UseSpot, spec.Resources.Ports, spec.Run = &spot, "8080", "server"
	p := &spec.ReplicaPolicy
	p.MinReplicas, p.MaxReplicas, p.DynamicOndemandFallback, p.SpotPlacer = replicas, replicas, true, placer
	if placer == serve.SpotHedgePlacer {
		p.NumOverprovision = 1
	}
	return spec
}

// noticeIn is the warning that a cloud gives.
func noticeIn(cloud string) time.Duration {
	if cloud == "aws" {
		return 120 * time.Second
	}
	return 30 * time.Second
}

// replayAll replays every setting, two at a time.
func replayAll(t *testing.T, placer string, notice bool) []sim.Result {
	t.Helper()
	if testing.Short() {
		t.Skip("replaying every trace in every setting takes many seconds")
	}
	all := references()
	results := make([]sim.Result, len(all))
	var running sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, r := range all {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			recorded := trace(t, r.set)
			o := sim.ReplayOptions{ColdStart: r.coldStart, PriceRatio: 3}
			if notice {
				o.Notice = noticeIn(recorded.Cloud)
			}
			result, err := sim.Replay(recorded, spotSpec(r.replicas, placer), o)
			if err != nil {
				t.Error(err)
			}
			results[i] = result
		})
	}
	running.Wait()
	return results
}

// The simulator is right if it finds of others' rules what others have found.
func TestReplayAgreesWithTheReference(t *testing.T) {
	for placer, of := range map[string]func(reference) figure{
		serve.DynamicFallbackPlacer: func(r reference) figure { return r.skyserve },
		serve.SpotHedgePlacer:       func(r reference) figure { return r.spothedge },
	} {
		t.Run(placer, func(t *testing.T) {
			for i, result := range replayAll(t, placer, false) {
				r := references()[i]
				want := of(r)
				if off := result.CostVsOnDemand/want.cost - 1; math.Abs(off) > 0.01 {
					t.Errorf("%s, %d replicas, %v: it costs %.4f, which is %+.2f%% off %.3f", r.set, r.replicas, r.coldStart, result.CostVsOnDemand, 100*off, want.cost)
				}
				if off := 100*result.Availability - want.available; math.Abs(off) > 0.2 {
					t.Errorf("%s, %d replicas, %v: it is available %.2f%%, which is %+.2f points off", r.set, r.replicas, r.coldStart, 100*result.Availability, off)
				}
			}
		})
	}
}

// summary is how a policy did, as means over all settings.
type summary struct {
	overOmniscient, worstOverOmniscient, overSpothedge, overSkyserve float64
	available, served, low                                           float64
}

func summarize(results []sim.Result) summary {
	var s summary
	n := float64(len(results))
	for i, r := range references() {
		cost := results[i].CostVsOnDemand
		s.overOmniscient += cost / r.omniscientCost / n
		s.worstOverOmniscient = max(s.worstOverOmniscient, cost/r.omniscientCost)
		s.overSpothedge += cost / r.spothedge.cost / n
		s.overSkyserve += cost / r.skyserve.cost / n
		s.available += 100 * results[i].Availability / n
		s.served += 100 * results[i].Served / n
		s.low += 100 * results[i].Low / n
	}
	return s
}

// skyserveAvailable is the mean availability of SkyServe's rule.
func skyserveAvailable() float64 {
	sum := 0.0
	for _, r := range references() {
		sum += r.skyserve.available
	}
	return sum / float64(len(references()))
}

// What the default rule is there for: less money and more replicas than others.
func TestSteadyIsCheaperAndMoreAvailable(t *testing.T) {
	for _, row := range []struct {
		name                                 string
		notice                               bool
		overOmniscient, worst, overReference float64
		available                            float64
	}{
		{"without notice", false, math.Inf(1), math.Inf(1), 0.92, spothedgeAvailable},
		{"with notice", true, 1.05, 1.15, math.Inf(1), spothedgeAvailable + 0.5},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := summarize(replayAll(t, serve.SteadyPlacer, row.notice))
			t.Logf("%+v", s)
			for _, claim := range []struct {
				what string
				true bool
			}{
				{"near the cost of one who knows the trace", s.overOmniscient <= row.overOmniscient},
				{"never far from it", s.worstOverOmniscient <= row.worst},
				{"cheaper than SpotHedge", s.overSpothedge <= row.overReference},
				{"more available than SpotHedge", s.available >= row.available},
				{"serves more than SpotHedge", s.served >= spothedgeServed},
				{"is seldom low", s.low <= spothedgeLow},
				{"cheaper than SkyServe", s.overSkyserve < 1},
				{"more available than SkyServe", s.available > skyserveAvailable()},
			} {
				if !claim.true {
					t.Errorf("it is not true that it is %s: %+v", claim.what, s)
				}
			}
		})
	}
}
