// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
)

// Build implements [headquarters.Estate].
func (e *estate) Build(ctx context.Context, architecture string) error {
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
		ports: []port{{80, "The endpoint"}, {443, "The endpoint, with TLS"}, {headquarters.APIPort, "The controller's API, which demands its token"}},
	}
}

// LastWords implements [headquarters.Estate].
func (e *estate) LastWords(ctx context.Context) string {
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
	return headquarters.LastWords(hosts[0], string(text))
}
