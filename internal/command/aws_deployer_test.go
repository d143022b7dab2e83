// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"os"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// controllerPorts are what the address of a controller passes on.
func controllerPorts() []int { return []int{80, 443, 9737} }

// newAccount gives an AWS whose instances are machines, and how it is reached. The
// environment has its credentials already.
func newAccount(t *testing.T) (*awstest.AWS, aws.Config) {
	t.Helper()
	a := awstest.New(t, awstest.Options{Machines: true, Ports: controllerPorts()})
	c := aws.Config{Region: "us-east-1", Regions: []string{"us-east-1"}, Endpoints: map[string]string{}}
	for _, service := range []string{"autoscaling", "ec2", "iam", "pricing", "s3", "servicequotas", "ssm", "sts"} {
		c.Endpoints[service] = a.Endpoint()
	}
	return a, c
}

// tenant is a deployer with its account.
type tenant struct {
	serve.Deployer
	aws      *awstest.AWS
	config   aws.Config
	programs *agent.Programs
}

func newTenant(t *testing.T, programs *agent.Programs) *tenant {
	t.Helper()
	a, c := newAccount(t)
	return &tenant{aws: a, config: c, programs: programs, Deployer: aws.NewDeployer(aws.DeployerOptions{
		Config: c, Means: meansOf(programs),
	})}
}

// kill takes the power from the controller's machine.
func (a *tenant) kill(t *testing.T, service string) {
	t.Helper()
	for _, i := range a.aws.Books().Live() {
		if i.Tags["serve-infra:controller"] == service && !a.aws.Kill(i.ID) {
			t.Errorf("instance %s of the controller could not be killed", i.ID)
		}
	}
}

// forget deletes the controller's bucket, with its machine. Another one finds
// nothing there.
func (a *tenant) forget(t *testing.T, service string) {
	t.Helper()
	a.kill(t, service)
	a.aws.Wipe("serve-" + service + "-")
}

// launch has the controller's machines be one more.
func (a *tenant) launch(t *testing.T, service string, replica int64) serve.Instance {
	t.Helper()
	known, err := aws.Brief("", a.config)
	if err != nil {
		t.Fatal(err)
	}
	cloud := aws.NewCloud(aws.CloudOptions{
		Known: known, Note: func(string) error { return nil }, Scope: func() (string, error) { return "at-us-east-1", nil },
		Secret: func() ([]byte, error) { return make([]byte, 32), nil }, Program: a.programs.Open,
	})
	resource := serve.Resource{CPUs: "2+", Infra: "aws/us-east-1"}
	offers, err := cloud.Offers(t.Context(), resource)
	if err != nil || len(offers) == 0 {
		t.Fatalf("Offers = %v, %v", offers, err)
	}
	i, err := cloud.Launch(t.Context(), serve.LaunchRequest{
		Ref: serve.Ref{Service: service, UID: "5f3c", Replica: replica}, Revision: 1, Offer: offers[0], Resource: resource, Port: 8080,
		Task: serve.Task{Run: "exec sleep 3600"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// The machine of a controller is one that boots, fetches its program with the
// rights of its role, and is replaced when it dies.
func TestDeployerOnAWS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", awstest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", awstest.SecretKey)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_CA_BUNDLE", "")
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	programs := &agent.Programs{Own: program, Version: "test"}
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		t.Helper()
		return newTenant(t, programs)
	}, servetest.DeployerHooks{
		Kill:   func(t *testing.T, d serve.Deployer, service string) { d.(*tenant).kill(t, service) },
		Forget: func(t *testing.T, d serve.Deployer, service string) { d.(*tenant).forget(t, service) },
		Launch: func(t *testing.T, d serve.Deployer, service string, replica int64) serve.Instance {
			return d.(*tenant).launch(t, service, replica)
		},
		Patience: 3 * time.Minute,
	})
}
