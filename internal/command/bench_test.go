// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/bolt"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// stopwatch is a cloud that notes when launches are asked for.
type stopwatch struct {
	serve.Cloud
	launches chan launchAt
}

type launchAt struct {
	at     time.Time
	market serve.Market
}

func (s *stopwatch) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	s.launches <- launchAt{time.Now(), req.Offer.Market}
	return s.Cloud.Launch(ctx, req)
}

// BenchmarkPreemption takes READY spot replicas away, one after the other, and
// reports the median time from the kill until (a) the replica is out of the
// balancer and (b) the launch of its on-demand stand-in is asked of the cloud.
// SkyServe needs up to 65 s for the same (reference section 3.4).
func BenchmarkPreemption(b *testing.B) {
	s := newSite(b)
	cloud := &stopwatch{Cloud: s.cloud, launches: make(chan launchAt, 1024)}
	store, err := bolt.Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	bundles, err := bundle.OpenDir(filepath.Join(b.TempDir(), "bundles"))
	if err != nil {
		b.Fatal(err)
	}
	endpoint, err := controller.Listen(b.Context(), "127.0.0.1:0", "")
	if err != nil {
		b.Fatal(err)
	}
	defer endpoint.Close()
	c := controller.New(controller.Options{
		Service: "web", Store: store, Bundles: bundles, Traffic: controller.NewFront(endpoint, nil), Clouds: []serve.Cloud{cloud},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}()
	if _, err := c.Apply(ctx, s.spec("web", 2), serve.ApplyOptions{}); err != nil {
		b.Fatal(err)
	}

	var unrouted, relaunched []time.Duration
	for b.Loop() {
		b.StopTimer()
		service := await(b, c, "2/2 on spot", spotOnly(2))
		if err := s.cloud.SetCapacity(ctx, "*", serve.Spot, 8); err != nil {
			b.Fatal(err)
		}
		for len(cloud.launches) > 0 {
			<-cloud.launches
		}
		victim := service.Replicas[0].ID
		b.StartTimer()
		kill := time.Now()
		if err := s.cloud.Preempt(ctx, "web", victim); err != nil {
			b.Fatal(err)
		}
		await(b, c, "the replica is out", func(s serve.Service) bool {
			return !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.ID == victim && r.Status() == serve.Ready })
		})
		unrouted = append(unrouted, time.Since(kill))
		for launch := range cloud.launches {
			if launch.market == serve.OnDemand {
				relaunched = append(relaunched, launch.at.Sub(kill))
				break
			}
		}
	}
	b.ReportMetric(median(unrouted), "ms-to-unrouted")
	b.ReportMetric(median(relaunched), "ms-to-fallback-launch")
}

// median gives the median in milliseconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}
