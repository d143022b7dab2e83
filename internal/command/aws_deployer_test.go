// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"os"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// controllerPorts are what the address of a controller passes on.
func controllerPorts() []int { return []int{80, 443, 9737} }

// newAWSDeployer gives a deployer on an AWS of its own, whose instances are
// machines. The environment has its credentials already.
func newAWSDeployer(t *testing.T, programs *agent.Programs) (serve.Deployer, *awstest.AWS) {
	t.Helper()
	a := awstest.New(t, awstest.Options{Machines: true, Ports: controllerPorts()})
	c := aws.Config{Region: "us-east-1", Regions: []string{"us-east-1"}, Endpoints: map[string]string{}}
	for _, service := range []string{"autoscaling", "ec2", "iam", "pricing", "s3", "servicequotas", "ssm", "sts"} {
		c.Endpoints[service] = a.Endpoint()
	}
	return aws.NewDeployer(aws.DeployerOptions{
		Config: c, Program: programs.Open,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Connect:     func(a serve.Access) (serve.Client, error) { return api.Connect(a) },
	}), a
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
	var accounts sync.Map // from a deployer to its account
	account := func(d serve.Deployer) *awstest.AWS {
		a, _ := accounts.Load(d)
		return a.(*awstest.AWS)
	}
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		t.Helper()
		d, a := newAWSDeployer(t, programs)
		accounts.Store(d, a)
		return d
	}, servetest.DeployerHooks{
		Kill: func(t *testing.T, d serve.Deployer, service string) {
			t.Helper()
			for _, i := range account(d).Books().Live() {
				if i.Tags["serve-infra:controller"] == service && !account(d).Kill(i.ID) {
					t.Errorf("instance %s of the controller could not be killed", i.ID)
				}
			}
		},
	})
}
