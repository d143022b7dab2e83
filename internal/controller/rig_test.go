// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// bundles is a Bundles that holds every bundle.
type bundles struct{}

func (bundles) Has(string) (bool, error)           { return true, nil }
func (bundles) Put(string, io.Reader) error        { return nil }
func (bundles) Open(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
func (bundles) Keep(...string) error               { return nil }

// rig is a controller at work on a scripted cloud.
type rig struct {
	*Controller
	t     *testing.T
	cloud *servetest.Scripted
	store serve.Store
	stop  func() error
}

// spotAt and onDemandAt are offers of one pool in a region.
func spotAt(region string) serve.Offer {
	return serve.Offer{Location: serve.Location{Cloud: "cloud", Region: region, Zone: region + "-a"},
		Market: serve.Spot, InstanceType: "m2", Price: 0.03, CPUs: 2}
}

func onDemandAt(region string) serve.Offer {
	o := spotAt(region)
	o.Market, o.Price = serve.OnDemand, 0.10
	return o
}

// newCloud gives a cloud with two regions.
func newCloud(t *testing.T) *servetest.Scripted {
	return servetest.NewScripted(t, "cloud",
		spotAt("east"), spotAt("west"), onDemandAt("east"), onDemandAt("west"))
}

// start runs a controller until the test ends or stop is called, which leaves
// its replicas as a crash would. Changes are made to it before it runs.
func start(t *testing.T, cloud *servetest.Scripted, store serve.Store, changes ...func(*Controller)) *rig {
	t.Helper()
	endpoint, err := Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{
		Service: "web", Store: store, Clouds: []serve.Cloud{cloud}, Bundles: bundles{},
		Traffic: NewFront(endpoint, nil), Archive: ArchiveDir(t.TempDir()),
	})
	for _, change := range changes {
		change(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	r := &rig{Controller: c, t: t, cloud: cloud, store: store}
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		endpoint.Close()
		return err
	})
	t.Cleanup(r.crash)
	return r
}

// impatient has requests that find no replica refused at once.
func impatient(c *Controller) { c.pace.replacing = 0 }

// crash ends the controller and leaves everything else as it is.
func (r *rig) crash() {
	r.t.Helper()
	select {
	case <-r.stopped: // by itself: the test has looked at why
		_ = r.stop()
	default:
		if err := r.stop(); err != nil {
			r.t.Errorf("the controller stopped with %v", err)
		}
	}
}

// dynamicSpec is the second example of the seed: two spot replicas, on-demand
// ones in their stead while they are not ready.
func dynamicSpec() serve.Spec {
	spec := serve.NewSpec("web")
	spec.ReadinessProbe.Path = "/health"
	spec.ReadinessProbe.EndpointProbeIntervalSeconds = 0.02
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 2, 3
	spec.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 1e6}
	spec.ReplicaPolicy.DynamicOndemandFallback = true
	spot := true
	spec.Resources.UseSpot = &spot
	spec.Resources.CPUs, spec.Resources.Ports = "2+", "8081"
	spec.Run = "python3 server.py"
	return spec
}

func (r *rig) apply(spec serve.Spec) serve.Service {
	r.t.Helper()
	service, err := r.Apply(r.t.Context(), spec, serve.ApplyOptions{})
	if err != nil {
		r.t.Fatalf("applying: %v", err)
	}
	return service
}

// patience is how long a test waits for what must come soon.
const patience = 30 * time.Second

// await waits until the service is as wanted.
func (r *rig) await(what string, wanted func(serve.Service) bool) serve.Service {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var last serve.Service
	err := r.Watch(ctx, func(s serve.Service) bool {
		last = s
		return !wanted(s)
	})
	if err != nil {
		r.t.Fatalf("waiting for %s: %v\nthe service is %s %+v\n%s", what, err, last.Status, last.Counts, table(last))
	}
	return last
}

// settled says that exactly the replicas with these ids are there, all READY.
func settled(ids ...int64) func(serve.Service) bool {
	return func(s serve.Service) bool {
		return s.Counts.Ready == len(ids) && s.Counts.Total == len(ids) && slices.Equal(idsOf(s.Replicas), ids)
	}
}

func idsOf(replicas []serve.Replica) []int64 {
	var ids []int64
	for _, r := range replicas {
		if !r.Status().IsFailed() {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// table prints replicas for a person who reads a failed test.
func table(s serve.Service) string {
	var b strings.Builder
	for _, r := range s.Replicas {
		b.WriteString(strings.Join([]string{string(r.Market), string(r.Status()), r.Offer.Key(), r.Message}, " ") + "\n")
	}
	return b.String()
}

// history gives the events so far.
func (r *rig) history() []serve.Event {
	r.t.Helper()
	var events []serve.Event
	err := r.Events(context.Background(), 0, false, func(e serve.Event) bool {
		events = append(events, e)
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

// decisions gives the decisions so far of one action.
func (r *rig) decisions(action serve.Action) []serve.Decision {
	var found []serve.Decision
	for _, e := range r.history() {
		if e.Decision != nil && e.Decision.Action == action {
			found = append(found, *e.Decision)
		}
	}
	return found
}

// get asks the endpoint and gives the body of the answer.
func (r *rig) get() (string, error) {
	resp, err := http.Get(r.o.Traffic.URL())
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return string(body), err
}
