// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// kindsOfAccelerators are those that drawn offers and targets may have.
func kindsOfAccelerators() []string { return []string{"", "T4:1", "A100:1", "A100:8", "H100:1"} }

// drawSpec gives any valid spec, as far as policy looks at it.
func drawSpec(t *rapid.T) serve.Spec {
	spec := serve.NewSpec("web")
	spec.Run, spec.Resources.Ports = rapid.SampledFrom([]string{"server", "better server"}).Draw(t, "run"), "8080"
	spot := rapid.Bool().Draw(t, "spot")
	spec.Resources.UseSpot = &spot
	spec.UpdateMode = rapid.SampledFrom(append(serve.UpdateModes(), "")).Draw(t, "update mode")
	if spec.UpdateMode != serve.BlueGreen && rapid.Bool().Draw(t, "bounded") {
		spec.RollingUpdate = &serve.RollingUpdate{MaxSurge: rapid.IntRange(0, 3).Draw(t, "surge"), MaxUnavailable: rapid.IntRange(1, 3).Draw(t, "unavailable")}
	}
	if rapid.IntRange(0, 4).Draw(t, "fixed") == 0 {
		spec.ReplicaPolicy = serve.FixedReplicas(rapid.IntRange(0, 6).Draw(t, "replicas"))
		return valid(t, spec)
	}
	p := &spec.ReplicaPolicy
	p.MinReplicas = rapid.IntRange(0, 4).Draw(t, "min")
	p.MaxReplicas = p.MinReplicas
	delays := []float64{0, 20, 40, 60, 100.5}
	p.UpscaleDelaySeconds = rapid.SampledFrom(delays).Draw(t, "upscale delay")
	p.DownscaleDelaySeconds = rapid.SampledFrom(delays).Draw(t, "downscale delay")
	p.NumOverprovision = rapid.IntRange(0, 2).Draw(t, "overprovision")
	switch rapid.IntRange(0, 3).Draw(t, "target") {
	case 0:
	case 1:
		p.TargetQPSPerReplica = &serve.QPS{PerAccelerator: rapid.MapOfN(
			rapid.SampledFrom(kindsOfAccelerators()[1:]), rapid.Float64Range(0.01, 5), 1, 3).Draw(t, "per accelerator")}
		spec.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
	default:
		p.TargetQPSPerReplica = &serve.QPS{Each: rapid.Float64Range(0.01, 5).Draw(t, "qps")}
	}
	if p.TargetQPSPerReplica != nil {
		p.MaxReplicas += rapid.IntRange(0, 5).Draw(t, "range")
	}
	if spot {
		p.BaseOndemandFallbackReplicas = rapid.IntRange(0, p.MaxReplicas).Draw(t, "base")
		p.DynamicOndemandFallback = rapid.Bool().Draw(t, "dynamic")
		if p.DynamicOndemandFallback {
			p.DynamicOndemandFallbackDelaySeconds = rapid.SampledFrom(delays).Draw(t, "fallback delay")
		}
		p.SpotPlacer = rapid.SampledFrom(append(serve.SpotPlacers(), "")).Draw(t, "placer")
	}
	return valid(t, spec)
}

func valid(t *rapid.T, spec serve.Spec) serve.Spec {
	if errs := spec.Validate(); len(errs) > 0 {
		t.Fatalf("the drawn spec is not valid: %v", errs)
	}
	return spec
}

// drawTime gives a time around now, in any of the forms a time can have.
func drawTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 3).Draw(t, name+" is zero") == 0 {
		return time.Time{}
	}
	at := noon().Add(time.Duration(rapid.IntRange(-4000, 60).Draw(t, name)) * time.Second)
	if rapid.Bool().Draw(t, name+" elsewhere") {
		return at.In(time.FixedZone("elsewhere", 3600))
	}
	return at
}

func drawOffer(t *rapid.T, market serve.Market) serve.Offer {
	region := rapid.SampledFrom([]string{"east", "west"}).Draw(t, "region")
	o := offer(fmt.Sprintf("%s/%s/%s-%d", rapid.SampledFrom([]string{"cloud", "other"}).Draw(t, "cloud"), region, region,
		rapid.IntRange(1, 3).Draw(t, "zone")), market, float64(rapid.IntRange(1, 4).Draw(t, "price"))/100)
	o.InstanceType = rapid.SampledFrom([]string{"m2", "m4"}).Draw(t, "machine")
	o.Accelerators = rapid.SampledFrom(kindsOfAccelerators()).Draw(t, "accelerators")
	o.Rank = rapid.IntRange(0, 1).Draw(t, "rank")
	return o
}

func drawMarket(t *rapid.T) serve.Market {
	return rapid.SampledFrom([]serve.Market{serve.Spot, serve.OnDemand}).Draw(t, "market")
}

// drawReplica gives a record with any combination of facts, also such that no
// controller would write.
func drawReplica(t *rapid.T, id int64, spec serve.Spec) serve.Replica {
	r := serve.Replica{
		ID: id, Revision: rapid.Int64Range(1, 3).Draw(t, "revision"), Market: drawMarket(t),
		Task:  rapid.SampledFrom([]string{spec.Task.Digest(), "other"}).Draw(t, "task"),
		Shape: rapid.SampledFrom([]string{spec.Task.Shape(), "other"}).Draw(t, "shape"),
		Launch: rapid.SampledFrom([]serve.LaunchState{serve.LaunchPending, serve.LaunchWaiting, serve.LaunchRunning,
			serve.LaunchSucceeded, serve.LaunchSucceeded, serve.LaunchSucceeded, serve.LaunchFailed}).Draw(t, "launch"),
		Teardown: rapid.SampledFrom([]serve.TeardownState{"", "", "", "", serve.TeardownScheduled, serve.TeardownRunning,
			serve.TeardownSucceeded, serve.TeardownFailed}).Draw(t, "teardown"),
		Ready:        rapid.Bool().Draw(t, "ready"),
		CreatedAt:    drawTime(t, "created"),
		LaunchedAt:   drawTime(t, "launched"),
		FirstReadyAt: drawTime(t, "first ready"),
		FailingSince: drawTime(t, "failing since"),
		EndedAt:      drawTime(t, "ended"),
	}
	if r.Teardown != "" {
		r.Cause = rapid.SampledFrom([]serve.Cause{serve.CauseScaleDown, serve.CauseOutdated, serve.CauseRequested, serve.CausePreempted,
			serve.CauseLost, serve.CauseAppFailed, serve.CauseInitialDelay, serve.CauseProbing, serve.CauseProvision}).Draw(t, "cause")
	}
	if r.Launch != serve.LaunchWaiting {
		r.Offer = drawOffer(t, r.Market)
	}
	return r
}

// drawMemory gives what one evaluation of another state and some events leave.
func drawMemory(t *rapid.T, spec serve.Spec) policy.Memory {
	var m policy.Memory
	if rapid.Bool().Draw(t, "remembers") {
		m.Revision, m.Target = rapid.Int64Range(1, 3).Draw(t, "remembered revision"), rapid.IntRange(0, 9).Draw(t, "remembered target")
		m.Active = rapid.Int64Range(0, m.Revision).Draw(t, "active")
		m.EverReady = rapid.Int64Range(0, m.Revision).Draw(t, "ever ready")
		m.Load.Above, m.Load.Below = drawTime(t, "above").UTC(), drawTime(t, "below").UTC()
		m.Load.Seen, m.Load.Resumed = drawTime(t, "seen").UTC(), drawTime(t, "resumed").UTC()
		m.Failures.Count, m.Failures.At = rapid.IntRange(0, 70).Draw(t, "failures"), drawTime(t, "failed").UTC()
	}
	m.Risk.ColdStart = float64(rapid.IntRange(0, 600).Draw(t, "cold start"))
	for range rapid.IntRange(0, 12).Draw(t, "marks") {
		o, at := drawOffer(t, drawMarket(t)), noon().Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "marked"))*time.Second)
		switch rapid.IntRange(0, 3).Draw(t, "mark") {
		case 0:
			m = m.Preempted(at, o, time.Duration(rapid.IntRange(0, 120).Draw(t, "notice"))*time.Second)
		case 1:
			m = m.LaunchSucceeded(o)
		default:
			m = m.LaunchFailed(at, 1, o)
		}
	}
	return m
}

// drawInput gives any situation whatsoever.
func drawInput(t *rapid.T) policy.Input {
	in := policy.Input{Spec: drawSpec(t), Revision: rapid.Int64Range(1, 3).Draw(t, "newest revision"), NextID: 1}
	in.Restarts = rapid.SampledFrom([][]string{nil, {"cloud"}}).Draw(t, "restarts")
	for range rapid.IntRange(0, 14).Draw(t, "replicas") {
		in.NextID += rapid.Int64Range(0, 2).Draw(t, "gap")
		in.Replicas = append(in.Replicas, drawReplica(t, in.NextID, in.Spec))
		in.NextID++
	}
	for range rapid.IntRange(0, 8).Draw(t, "offers") {
		in.Offers = append(in.Offers, drawOffer(t, drawMarket(t)))
	}
	in.Requests = rapid.IntRange(0, 2000).Draw(t, "requests")
	in.Memory = drawMemory(t, in.Spec)
	return in
}
