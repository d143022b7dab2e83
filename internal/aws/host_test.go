// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
)

// manor is what there is of the controller of "web" in an account whose instances are
// records.
type manor struct {
	*testing.T
	aws    *awstest.AWS
	estate *estate
}

func newManor(t *testing.T) manor {
	t.Helper()
	a := awstest.New(t, awstest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	d := NewDeployer(DeployerOptions{Config: Config{Region: "us-east-1"}, Transport: a.Client().Transport})
	e, err := d.estate(t.Context(), "web")
	if err == nil {
		_, err = e.MakeBucket(t.Context())
	}
	if err == nil {
		err = e.Build(t.Context(), "amd64")
	}
	if err != nil {
		t.Fatal(err)
	}
	return manor{t, a, e}
}

// hosts gives the machines of the controller, in the order of their launch.
func (m manor) hosts() (ids []string) {
	for _, i := range m.aws.Live() {
		ids = append(ids, i.ID)
	}
	return ids
}

// A group that works is left as it is, whatever AWS thinks of its zones.
func TestTheMachineOfAControllerIsNotMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		was := m.hosts()
		for range 3 {
			m.aws.Redistribute()
			<-time.After(time.Minute)
		}
		if now := m.hosts(); len(was) != 1 || len(now) != 1 || now[0] != was[0] {
			t.Errorf("the machines were %v, and are %v", was, now)
		}
	})
}

// Of two machines that are up the one that was launched last has the controller, and
// the other one when that is gone.
func TestAMachineGivesWayToANewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		<-time.After(time.Minute)
		_, err := m.estate.ec2.RunInstances(t.Context(), &ec2.RunInstancesInput{
			MinCount: aws.Int32(1), MaxCount: aws.Int32(1), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: aws.String(m.estate.name())},
		})
		ids := m.hosts()
		if err != nil || len(ids) != 2 {
			t.Fatalf("the machines are %v, %v", ids, err)
		}
		of := func(id string) *Host {
			return &Host{Host: &headquarters.Host{ID: id, Told: bootstrap.Host{Service: "web"}}, log: slog.New(slog.DiscardHandler), ec2: m.estate.ec2}
		}
		for name, id := range map[string]string{"the newer one": ids[1], "one that is not described yet": "i-1"} {
			if err := of(id).GiveWay(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := of(ids[0]).GiveWay(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the older one beside the newer: %v", err)
		}
		m.aws.Forbid("ec2:DescribeInstances")
		if err := of(ids[0]).GiveWay(t.Context()); err != nil {
			t.Errorf("the older one, where nobody says what there is: %v", err)
		}
		m.aws.Allow("ec2:DescribeInstances")
		m.aws.Kill(ids[1])
		if err := of(ids[0]).GiveWay(t.Context()); err != nil {
			t.Errorf("the older one when the newer is gone: %v", err)
		}
	})
}
