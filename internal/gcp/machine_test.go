// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"bufio"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// yard is a Google Cloud whose instances are machines that boot, with a cloud of ours.
type yard struct {
	*gcp.Cloud
	gcp *gcptest.GCP
}

func newYard(t *testing.T) *yard {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines")
	}
	g := gcptest.New(t, gcptest.Options{Machines: true})
	return &yard{gcp: g, Cloud: gcp.NewCloud(gcp.CloudOptions{
		Known:     brief(t, gcp.Config{Regions: []string{"us-east1"}}),
		Secret:    func() ([]byte, error) { return []byte(fleettest.Secret), nil },
		Shown:     credentials(g),
		Program:   fleettest.Itself(),
		Transport: g.Client().Transport,
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})}
}

// small asks for the smallest machine.
func small() serve.Resource { return serve.Resource{CPUs: "2+", Infra: "gcp/us-east1"} }

func TestConformanceOnMachines(t *testing.T) {
	of := func(c serve.Cloud) *gcptest.GCP { return c.(*yard).gcp }
	pool := func(o serve.Offer) gcptest.Pool {
		return gcptest.Pool{Zone: o.Location.Zone, Type: o.InstanceType, Market: gcptest.Spot}
	}
	servetest.TestCloud(t, func(t *testing.T) serve.Cloud { return newYard(t) }, servetest.CloudHooks{
		Resource: small(),
		Exhaust:  func(_ *testing.T, c serve.Cloud, o serve.Offer) { of(c).Exhaust(pool(o)) },
		Refill:   func(_ *testing.T, c serve.Cloud, o serve.Offer) { of(c).Refill(pool(o)) },
		Untold:   true,
		Kill: func(t *testing.T, c serve.Cloud, i serve.Instance) {
			if !of(c).Fail(i.ID) {
				t.Fatalf("there is no instance %s to fail", i.ID)
			}
		},
		Scripts:  true,
		Patience: 2 * time.Minute,
	})
}

// Google's system for containers runs programs from few places.
func TestAMachineOfASystemForContainersBecomesAReplica(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := small()
	r.ImageID = "projects/cos-cloud/global/images/family/cos-stable"
	offers, err := y.Offers(ctx, r)
	if err != nil || len(offers) == 0 {
		t.Fatalf("Offers = %+v, %v", offers, err)
	}
	ref := serve.Ref{Service: "web", UID: "5f3c", Replica: 1}
	_, err = y.Launch(ctx, serve.LaunchRequest{
		Ref: ref, Revision: 1, Offer: offers[0], Resource: r, Port: 8080, Task: serve.Task{Run: "pwd; exec sleep 3600"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil {
		log, err := y.Logs(ctx, ref, serve.LogOptions{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(log).ReadString('\n')
		log.Close()
		if err == nil {
			if !strings.HasPrefix(line, "/var/lib/google/serve/") {
				t.Errorf("it runs in %s", line)
			}
			return
		}
	}
	t.Error("it has said nothing")
}

// What Compute Engine says on the machine is heard where the controller is, before it
// happens; and then it does.
func TestASpotMachineTellsOfItsEnd(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	i, err := y.Launch(ctx, fleettest.Request(fleettest.Cheapest(t, y, serve.Spot), "exit 7"))
	if err != nil {
		t.Fatal(err)
	}
	await := fleettest.Listen(ctx, t, y)
	await(serve.NoticeExited) // and so the machine is listened to
	at := time.Now()
	if !y.gcp.Preempt(i.ID, time.Second) {
		t.Fatalf("there is no instance %s to be taken back", i.ID)
	}
	n := await(serve.NoticeInterruption)
	t.Logf("the controller hears of an interruption after %v", time.Since(at))
	// Two minutes were asked for, which there are not always.
	if left := n.Deadline.Sub(at); time.Since(at) > 2*time.Second || left < 119*time.Second || left > 122*time.Second {
		t.Errorf("the notice came after %v, of an end after %v", time.Since(at), left)
	}
	gone := await(serve.NoticeGone)
	t.Logf("it is gone after %v: %s", time.Since(at), gone.Detail)
	if want := "Compute Engine has preempted its instance"; gone.Detail != want {
		t.Errorf("it is gone as %q, want %q", gone.Detail, want)
	}
}
