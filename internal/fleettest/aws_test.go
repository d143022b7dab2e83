// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	keys "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// onAWS is an emulated AWS with our cloud, whose agents look at their machines every
// so often and answer so long after their launch.
func onAWS(t *testing.T, seed uint64, every, boot time.Duration) (*fleettest.World, *awstest.AWS) {
	t.Helper()
	return awsWorld(t, awstest.New(t, awstest.Options{Seed: seed, Pending: 8 * time.Second, Stopping: 20 * time.Second}), every, boot)
}

func awsWorld(t *testing.T, a *awstest.AWS, every, boot time.Duration) (*fleettest.World, *awstest.AWS) {
	t.Helper()
	known, err := aws.Brief("", aws.Config{Region: "us-east-1", Regions: []string{"us-east-1"}})
	if err != nil {
		t.Fatal(err)
	}
	return &fleettest.World{
		Name: "AWS", Infra: "aws/us-east-1", Brief: known, Transport: a.Client().Transport,
		New:       func(o fleet.Options) serve.Cloud { return aws.NewCloud(o) },
		Stations:  &fleettest.Stations{Every: every, Boot: boot, Machines: func() []fleettest.Machine { return instances(a) }},
		Interrupt: func(id string) { a.Interrupt(id, 2*time.Minute) },
		Kill:      func(id string) { a.Kill(id) },
		Troubles: func(r *rand.Rand, victim fleettest.Machine) []fleettest.Trouble {
			return troublesOfAWS(a, r, victim.ID)
		},
		Down: a.Down,
		Calm: func() {
			a.Refill(awstest.Pool{Market: awstest.Spot})
			a.Lag(0)
		},
		Left:  func() []string { return a.Books().Left() },
		Calls: func() map[string]int { return a.Books().Calls },
	}, a
}

// instances are those of the books.
func instances(a *awstest.AWS) []fleettest.Machine {
	var all []fleettest.Machine
	for _, i := range a.Live() {
		m := fleettest.Machine{
			ID: i.ID, Service: i.Tags["serve-infra:service"], Replica: i.Tags["serve-infra:uid"] + "/" + i.Tags["serve-infra:replica"],
			Host: i.PublicIP, Running: i.State == "running", Launched: i.Launched,
		}
		if !i.Interrupt.IsZero() {
			m.Warnings = append(m.Warnings, agent.Warning{Kind: agent.WarningInterruption, Deadline: i.Interrupt, Detail: "terminate"})
		}
		if !i.Rebalance.IsZero() {
			m.Warnings = append(m.Warnings, agent.Warning{Kind: agent.WarningRebalance, Detail: "rebalance"})
		}
		all = append(all, m)
	}
	return all
}

// troublesOfAWS are what can go wrong there.
func troublesOfAWS(a *awstest.AWS, r *rand.Rand, victim string) []fleettest.Trouble {
	actions := []string{"RunInstances", "TerminateInstances", "DescribeInstances", "DescribeSpotPriceHistory", "AuthorizeSecurityGroupIngress"}
	action := actions[r.IntN(len(actions))]
	pool := awstest.Pool{Zone: []string{"us-east-1a", "us-east-1b", "us-east-1c"}[r.IntN(3)], Market: awstest.Spot}
	return []fleettest.Trouble{
		{Name: "throttled", Do: func() {
			for range 20 {
				a.FailNext(action, awstest.Throttled())
			}
		}},
		{Name: "internal error", Do: func() { a.FailNext(action, awstest.InternalError(), awstest.InternalError()) }},
		{Name: "lost answer to a launch", Do: func() { a.LoseNext("RunInstances") }},
		{Name: "lost answers", Do: func() { a.LoseNext(action); a.LoseNext(action) }},
		{Name: "no capacity for the next launches", Do: func() { a.FailNext("RunInstances", awstest.NoCapacity(), awstest.NoCapacity()) }},
		{Name: "no spot quota for the next launches", Do: func() { a.FailNext("RunInstances", awstest.SpotQuota(), awstest.SpotQuota()) }},
		{Name: "no spot in a zone", Do: func() { a.Exhaust(pool) }},
		{Name: "spot in a zone again", Do: func() { a.Refill(pool) }},
		{Name: "late descriptions", Do: func() { a.Lag(time.Duration(r.IntN(20)) * time.Second) }},
		{Name: "interruption", Do: func() { a.Interrupt(victim, 2*time.Minute) }},
		{Name: "interruption without notice", Do: func() { a.Interrupt(victim, 0) }},
		{Name: "dead hardware", Do: func() { a.Kill(victim) }},
		{Name: "rebalance", Do: func() { a.Rebalance(victim) }},
	}
}

// inS3 has the state of a service be in a bucket.
func inS3(t *testing.T, a *awstest.AWS) fleettest.StoreOf {
	t.Helper()
	const name = "serve-web"
	client := s3.New(s3.Options{
		Region: "us-east-1", HTTPClient: a.Client(),
		Credentials: keys.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdk.String(name)}); err != nil {
		t.Fatal(err)
	}
	return func(way fleettest.Way) serve.Store {
		b, err := aws.OpenBucket(t.Context(), aws.BucketOptions{Config: aws.Config{Region: "us-east-1"}, Name: name, Transport: way(a.Client().Transport)})
		if err != nil {
			t.Fatal(err)
		}
		return bucket.NewStore(b)
	}
}

// troublesOfS3 are what can go wrong with a state that is there.
func troublesOfS3(d *fleettest.Day, a *awstest.AWS) []fleettest.Trouble {
	slow := &awstest.Error{Status: http.StatusServiceUnavailable, Code: "SlowDown", Message: "Please reduce your request rate."}
	return []fleettest.Trouble{
		{Name: "S3 asks to be asked less", Do: func() { a.FailNext("PutObject", slow, slow, slow, slow, slow) }},
		{Name: "lost answers to a save", Do: func() { a.FailNext("PutObject", nil, nil) }},
		{Name: "S3 away for a while", Do: func() {
			a.Fault(func(c awstest.Call) (v awstest.Verdict) {
				if c.Service == "s3" {
					v.Err = slow
				}
				return v
			})
			d.Pass(time.Duration(1+d.Random.IntN(300)) * time.Second)
			a.Fault(nil)
		}},
	}
}

// groundOfAWS is an AWS that controllers are put into.
func groundOfAWS(t *testing.T) *ground {
	t.Helper()
	a := awstest.New(t, awstest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	conf := aws.Config{Region: "us-east-1", Regions: []string{"us-east-1"}}
	way := a.Client().Transport
	g := &ground{T: t, transport: way, lag: a.Lag, left: func() []string { return a.Books().Left() }}
	g.new = func(way http.RoundTripper, m headquarters.Means) serve.Deployer {
		return aws.NewDeployer(aws.DeployerOptions{Config: conf, Means: m, Transport: way})
	}
	g.hosts = func() (all []host) {
		for _, i := range a.Live() {
			if i.Tags["serve-infra:controller"] == service {
				all = append(all, host{i.ID, i.PublicIP, i.State == "running"})
			}
		}
		return all
	}
	g.named = func() string {
		for _, b := range a.Books().Buckets {
			return b.Name
		}
		return ""
	}
	g.open = func(ctx context.Context, name string) (bucket.Bucket, error) {
		return aws.OpenBucket(ctx, aws.BucketOptions{Config: conf, Name: name, Transport: way})
	}
	client := ec2.New(ec2.Options{Region: conf.Region, HTTPClient: a.Client(), Credentials: keys.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, "")})
	g.take = func(ctx context.Context, to headquarters.Address, id string) error {
		_, err := client.AssociateAddress(ctx, &ec2.AssociateAddressInput{AllocationId: &to.ID, InstanceId: &id, AllowReassociation: sdk.Bool(true)})
		return err
	}
	g.launched = func() {
		w, _ := awsWorld(t, a, every, boot)
		g.launch(w)
	}
	return g.boots()
}
