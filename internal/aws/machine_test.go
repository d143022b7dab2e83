// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// yard is an AWS whose instances are machines that boot, with a cloud of ours.
type yard struct {
	*aws.Cloud
	aws *awstest.AWS
}

func newYard(t *testing.T) *yard {
	t.Helper()
	if testing.Short() {
		t.Skip("boots machines")
	}
	a := awstest.New(t, awstest.Options{Machines: true})
	return &yard{aws: a, Cloud: aws.NewCloud(aws.CloudOptions{
		Known:     brief(t, aws.Config{Regions: []string{"us-east-1"}}),
		Secret:    func() ([]byte, error) { return []byte(fleettest.Secret), nil },
		Program:   fleettest.Itself(),
		Transport: a.Client().Transport,
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})}
}

// small asks for the smallest machine.
func small() serve.Resource { return serve.Resource{CPUs: "2+", Infra: "aws/us-east-1"} }

func TestConformanceOnMachines(t *testing.T) {
	of := func(c serve.Cloud) *awstest.AWS { return c.(*yard).aws }
	pool := func(o serve.Offer) awstest.Pool {
		return awstest.Pool{Zone: o.Location.Zone, Type: o.InstanceType, Market: awstest.Spot}
	}
	servetest.TestCloud(t, func(t *testing.T) serve.Cloud { return newYard(t) }, servetest.CloudHooks{
		Resource: small(),
		Exhaust:  func(_ *testing.T, c serve.Cloud, o serve.Offer) { of(c).Exhaust(pool(o)) },
		Refill:   func(_ *testing.T, c serve.Cloud, o serve.Offer) { of(c).Refill(pool(o)) },
		Untold:   true,
		Kill: func(t *testing.T, c serve.Cloud, i serve.Instance) {
			if !of(c).Kill(i.ID) {
				t.Fatalf("there is no instance %s to be killed", i.ID)
			}
		},
		Scripts:  true,
		Patience: 2 * time.Minute,
	})
}

// What EC2 says on the machine is heard where the controller is, before it happens;
// and then it does.
func TestASpotMachineTellsOfItsEnd(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	i, err := y.Launch(ctx, fleettest.Request(fleettest.Cheapest(t, y, serve.Spot), "exec sleep 3600"))
	if err != nil {
		t.Fatal(err)
	}
	await := fleettest.Listen(ctx, t, y)
	y.aws.Rebalance(i.ID)
	await(serve.NoticeRisk)
	const left = 5 * time.Second
	at := time.Now()
	y.aws.Interrupt(i.ID, left)
	n := await(serve.NoticeInterruption)
	t.Logf("the controller hears of an interruption after %v", time.Since(at))
	if off := n.Deadline.Sub(at.Add(left)).Abs(); time.Since(at) > 2*time.Second || off > time.Second {
		t.Errorf("the notice came after %v and is off by %v", time.Since(at), off)
	}
	await(serve.NoticeGone)
	if since := time.Since(at); since < left {
		t.Errorf("the machine is gone after %v, before its time", since)
	}
}
