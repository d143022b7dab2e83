// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// deployPatience is how long a controller may take from the first call until it
// answers.
const deployPatience = 10 * time.Minute

// Deploy implements [serve.Deployer]. Everything is made that is not there, in an
// order in which the bucket, by which a controller is found, comes first.
func (d *Deployer) Deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	client, err := d.deploy(ctx, service, opt)
	if err != nil {
		return nil, fmt.Errorf("deploying the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	if opt.Image != "" || opt.ImageRepository != "" || opt.Copies != 0 || opt.Endpoint.Type != "" || len(opt.Endpoint.Annotations) > 0 {
		return nil, fmt.Errorf("a controller on AWS is run from the program that deploys it, in one copy, with an address of its own: %w", serve.ErrInvalid)
	}
	if len(opt.CloudCredentials) > 0 {
		return nil, fmt.Errorf("a controller on AWS has machines of AWS alone: %w", serve.ErrInvalid)
	}
	ctx, leave, err := d.services.Enter(ctx, service)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, deployPatience)
	defer cancel()
	programs, err := d.programs()
	if err != nil {
		return nil, err
	}
	defer programs.close()
	e, err := d.estate(ctx, service)
	if err != nil {
		return nil, err
	}
	h, err := e.furnish(ctx, programs)
	if err != nil {
		return nil, err
	}
	if err := e.build(ctx, programs.host()); err != nil {
		return nil, err
	}
	return e.await(ctx, h)
}

// programs are those of this release, by their architectures: the controller's own,
// and those that its machines are run by.
type programs map[string]*agent.Program

// programs gives those that there are, of which one is enough.
func (d *Deployer) programs() (programs, error) {
	all := programs{}
	var errs []error
	for _, architecture := range []string{"amd64", "arm64"} {
		p, err := d.o.Program(architecture)
		if err == nil {
			all[architecture] = p
		}
		errs = append(errs, err)
	}
	if len(all) == 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// host is the architecture of the controller's machine.
func (p programs) host() string {
	if p["amd64"] != nil {
		return "amd64"
	}
	return "arm64"
}

func (p programs) close() {
	for _, program := range p {
		_ = program.Close() // it was only read
	}
}

// furnish has the bucket hold all that the controller needs.
func (e *estate) furnish(ctx context.Context, all programs) (headquarters, error) {
	b, err := e.makeBucket(ctx)
	if err != nil {
		return headquarters{}, err
	}
	var before headquarters
	if err := bucket.Read(ctx, b, settingsKey, &before); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return headquarters{}, err
	}
	h := headquarters{Program: all[all.host()].Digest(), Programs: map[string]string{}, Config: e.conf}
	// Who the caller is, is the caller's affair: the machine has a role.
	h.Config.Profile, h.Config.AssumeRole, h.Config.Region = "", nil, e.region
	if h.credentials, err = e.credentials(ctx, b); err != nil {
		return headquarters{}, err
	}
	// From now on it is known that there is no machine yet.
	nowhere := place{Account: e.number}
	if _, err := b.Put(ctx, placeKey, []byte(nowhere.String()), bucket.Condition{Absent: true}); err != nil && !errors.Is(err, serve.ErrConflict) {
		return headquarters{}, err
	}
	for architecture, program := range all {
		h.Programs[architecture] = program.Digest()
		if err := bring(ctx, b, program); err != nil {
			return headquarters{}, fmt.Errorf("bringing the controller's program into its bucket: %w", err)
		}
	}
	if h.Address, err = e.makeAddress(ctx, before.Address); err != nil {
		return headquarters{}, err
	}
	return h, bucket.Write(ctx, b, settingsKey, h, bucket.Condition{})
}

// build makes the machine, and what it takes to make it.
func (e *estate) build(ctx context.Context, architecture string) error {
	if err := e.makeRole(ctx); err != nil {
		return err
	}
	vpc, err := e.vpc(ctx, e.conf.VPC)
	if err != nil {
		return err
	}
	subnets, err := e.subnets(ctx, vpc)
	if err != nil {
		return err
	}
	group, err := e.makeSecurityGroup(ctx, vpc, e.gate())
	if err != nil {
		return err
	}
	if err := e.makeTemplate(ctx, architecture, group); err != nil {
		return err
	}
	return e.makeGroup(ctx, architecture, subnets)
}

// gate is the security group of the controller: clients come to the endpoint, and
// whoever has the token to the API.
func (e *estate) gate() securityGroup {
	return securityGroup{
		name: e.name() + "-controller", tags: e.tags(),
		about: "Controller of a serve_service; managed by terraform-provider-serve",
		ports: []port{{80, "The endpoint"}, {443, "The endpoint, with TLS"}, {apiPort, "The controller's API, which demands its token"}},
	}
}

// await waits until the controller has started with what it was told, and answers.
func (e *estate) await(ctx context.Context, h headquarters) (serve.Client, error) {
	b, err := e.bucket(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var now running
		if err := bucket.Read(ctx, b, runningKey, &now); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return nil, err
		}
		client, err := e.connect(ctx, h)
		if err == nil && now.Told == h.digest() {
			return client, nil
		}
		if err == nil {
			err = fmt.Errorf("it has not started anew: %w", serve.ErrUnreachable)
		}
		if !sleep(ctx, lookPause) {
			return nil, fmt.Errorf("%w: %w%s", err, context.Cause(ctx), e.lastWords())
		}
	}
}

// lastWords is what the controller's machine has printed last, for whoever has to
// find out why it does not answer.
func (e *estate) lastWords() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	hosts, err := e.hosts(ctx)
	if err != nil || len(hosts) == 0 {
		return "; it has no machine (see the activity of the Auto Scaling group " + e.name() + ")"
	}
	out, err := e.ec2.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: aws.String(hosts[0])})
	if err != nil {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "; its machine " + hosts[0] + " has printed last:\n" + strings.Join(lines[max(0, len(lines)-10):], "\n")
}
