// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// preemption is how long before its end a spot machine of Compute Engine is told.
const preemption = 2 * time.Minute

// onGCP is an emulated Google Cloud with our cloud, whose agents look at their machines
// every so often and answer so long after their launch.
func onGCP(t *testing.T, seed uint64, every, boot time.Duration) (*fleettest.World, *gcptest.GCP) {
	t.Helper()
	return gcpWorld(t, gcptest.New(t, gcptest.Options{Seed: seed, Pending: 8 * time.Second, Stopping: 20 * time.Second}), every, boot)
}

func gcpWorld(t *testing.T, g *gcptest.GCP, every, boot time.Duration) (*fleettest.World, *gcptest.GCP) {
	t.Helper()
	known, err := gcp.Brief("", gcp.Config{Regions: []string{"us-east1"}})
	if err != nil {
		t.Fatal(err)
	}
	return &fleettest.World{
		Name: "Google Cloud", Infra: "gcp/us-east1", Brief: known, Transport: g.Client().Transport,
		New: func(o fleet.Options) serve.Cloud {
			o.Shown = fleettest.Shown(string(g.ClientCredentials()))
			return gcp.NewCloud(o)
		},
		Stations:  &fleettest.Stations{Every: every, Boot: boot, Machines: func() []fleettest.Machine { return instancesOfGCP(g) }},
		Interrupt: func(id string) { g.Preempt(id, preemption) },
		Kill:      func(id string) { g.Fail(id) },
		Troubles: func(r *rand.Rand, victim fleettest.Machine) []fleettest.Trouble {
			return troublesOfGCP(g, r, victim.ID)
		},
		Down: g.Down,
		Calm: func() {
			g.Refill(gcptest.Pool{Market: gcptest.Spot})
			g.Lag(0)
		},
		Left:  func() []string { return g.Books().Left() },
		Calls: func() map[string]int { return g.Books().Calls },
	}, g
}

// instancesOfGCP are those of the books.
func instancesOfGCP(g *gcptest.GCP) []fleettest.Machine {
	var all []fleettest.Machine
	for _, i := range g.Live() {
		m := fleettest.Machine{
			ID: i.Name, Service: i.Labels["serve-infra-service"], Replica: i.Labels["serve-infra-uid"] + "/" + i.Labels["serve-infra-replica"],
			Host: i.PublicIP, Running: i.State == "RUNNING", Launched: i.Launched,
		}
		if !i.Preempted.IsZero() {
			m.Warnings = append(m.Warnings, agent.Warning{Kind: agent.WarningInterruption, Deadline: i.Preempted.Add(preemption), Detail: "preempted"})
		}
		all = append(all, m)
	}
	return all
}

// troublesOfGCP are what can go wrong there.
func troublesOfGCP(g *gcptest.GCP, r *rand.Rand, victim string) []fleettest.Trouble {
	const insert = "compute.instances.insert"
	methods := []string{insert, "compute.instances.delete", "compute.instances.get", "compute.instances.list", "compute.instances.aggregatedList", "compute.zoneOperations.wait"}
	method := methods[r.IntN(len(methods))]
	pool := gcptest.Pool{Zone: []string{"us-east1-b", "us-east1-c", "us-east1-d"}[r.IntN(3)], Market: gcptest.Spot}
	return []fleettest.Trouble{
		{Name: "throttled", Do: func() {
			for range 20 {
				g.FailNext(method, gcptest.Throttled())
			}
		}},
		{Name: "internal error", Do: func() { g.FailNext(method, gcptest.InternalError(), gcptest.InternalError()) }},
		{Name: "unavailable", Do: func() { g.FailNext(method, gcptest.Unavailable(), gcptest.Unavailable()) }},
		{Name: "lost answer to a launch", Do: func() { g.LoseNext(insert) }},
		{Name: "lost answers", Do: func() { g.LoseNext(method); g.LoseNext(method) }},
		{Name: "no spot in a zone", Do: func() { g.Exhaust(pool) }},
		{Name: "spot in a zone again", Do: func() { g.Refill(pool) }},
		{Name: "no quota for new machines", Do: func() { g.SetQuota("us-east1", "CPUS", 1) }},
		{Name: "quota again", Do: func() { g.SetQuota("us-east1", "CPUS", 1000) }},
		{Name: "late lists", Do: func() { g.Lag(time.Duration(r.IntN(20)) * time.Second) }},
		{Name: "preemption", Do: func() { g.Preempt(victim, preemption) }},
		{Name: "preemption without notice", Do: func() { g.Preempt(victim, 0) }},
		{Name: "dead hardware", Do: func() { g.Fail(victim) }},
		{Name: "shut down by its own", Do: func() { g.Shutdown(victim) }},
	}
}

// inCloudStorage has the state of a service be in a bucket there.
func inCloudStorage(t *testing.T, g *gcptest.GCP) fleettest.StoreOf {
	t.Helper()
	const name = "serve-web"
	g.MakeBucket(name)
	return func(way fleettest.Way) serve.Store {
		b, err := gcp.OpenBucket(t.Context(), gcp.BucketOptions{
			Config: gcp.Config{Project: gcptest.Project, Credentials: string(g.ClientCredentials())}, Name: name, Transport: way(g.Client().Transport),
		})
		if err != nil {
			t.Fatal(err)
		}
		return bucket.NewStore(b)
	}
}

// troublesOfCloudStorage are what can go wrong with a state that is there.
func troublesOfCloudStorage(d *fleettest.Day, g *gcptest.GCP) []fleettest.Trouble {
	const save = "storage.objects.insert"
	busy := &gcptest.Error{Code: http.StatusTooManyRequests, Reason: "rateLimitExceeded", Domain: "usageLimits", Message: "The object exceeded the rate limit for object mutation operations."}
	return []fleettest.Trouble{
		{Name: "Cloud Storage asks to be asked less", Do: func() { g.FailNext(save, busy, busy, busy, busy, busy) }},
		{Name: "lost answers to a save", Do: func() { g.FailNext(save, nil, nil) }},
		{Name: "Cloud Storage away for a while", Do: func() {
			g.Fault(func(c gcptest.Call) (v gcptest.Verdict) {
				if strings.HasPrefix(c.Method, "storage.") {
					v.Err = gcptest.Unavailable()
				}
				return v
			})
			d.Pass(time.Duration(1+d.Random.IntN(300)) * time.Second)
			g.Fault(nil)
		}},
	}
}

// groundOfGCP is a Google Cloud that controllers are put into.
func groundOfGCP(t *testing.T) *ground {
	t.Helper()
	c := gcptest.New(t, gcptest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	conf := gcp.Config{Project: gcptest.Project, Region: "us-east1", Regions: []string{"us-east1"}, Credentials: string(c.ClientCredentials())}
	way := c.Client().Transport
	g := &ground{T: t, transport: way, lag: c.Lag, left: func() []string { return c.Books().Left() }}
	g.new = func(way http.RoundTripper, m headquarters.Means) serve.Deployer {
		return gcp.NewDeployer(gcp.DeployerOptions{Config: conf, Means: m, Transport: way})
	}
	g.hosts = func() (all []host) {
		for _, i := range c.Live() {
			if i.Labels["serve-infra-controller"] == service {
				all = append(all, host{i.Name, i.PublicIP, i.State == "RUNNING"})
			}
		}
		return all
	}
	g.named = func() string {
		for name := range c.Books().Buckets {
			return name
		}
		return ""
	}
	g.open = func(ctx context.Context, name string) (bucket.Bucket, error) {
		return gcp.OpenBucket(ctx, gcp.BucketOptions{Config: conf, Name: name, Transport: way})
	}
	g.take = func(context.Context, headquarters.Address, string) error { return nil }
	g.launched = func() {
		w, _ := gcpWorld(t, c, every, boot)
		g.launch(w)
	}
	return g.boots()
}
