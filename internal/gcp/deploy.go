// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The ports that clients come to: the endpoint's, and the API's, which demands its
// token.
const (
	portHTTP  = 80
	portHTTPS = 443
)

// ports are those that a controller listens at.
func ports() []int { return []int{portHTTP, portHTTPS, headquarters.APIPort} }

// Build implements [headquarters.Estate].
func (e *estate) Build(ctx context.Context, architecture string) error {
	if err := e.makeRole(ctx); err != nil {
		return err
	}
	g, err := e.ground(ctx)
	if err != nil {
		return err
	}
	if err := e.makeGate(ctx, g); err != nil {
		return err
	}
	return e.makeHost(ctx, g, architecture)
}

// makeGate has the firewall let clients come to the controller.
func (e *estate) makeGate(ctx context.Context, g ground) error {
	rule := &computepb.Firewall{
		Name: new(e.name()), Network: &g.network, Direction: new("INGRESS"), SourceRanges: []string{"0.0.0.0/0"}, TargetTags: []string{e.name()},
		Description: new("The controller of the serve_service " + e.service + ", and its endpoint; managed by terraform-provider-serve"),
		Allowed:     []*computepb.Allowed{{IPProtocol: new("tcp")}},
	}
	for _, port := range ports() {
		rule.Allowed[0].Ports = append(rule.Allowed[0].Ports, strconv.Itoa(port))
	}
	in := &computepb.InsertFirewallRequest{Project: g.project, FirewallResource: rule}
	op, err := e.services.firewalls.Insert(ctx, in)
	if err = e.services.operations.in(g.project).done(ctx, op, err); errors.Is(meaning(err), serve.ErrConflict) {
		err = e.mendGate(ctx, in)
	}
	if err != nil {
		return fmt.Errorf("making the firewall rule %s: %w", e.name(), meaning(err))
	}
	return nil
}

// mendGate has the firewall rule that is there be as it should be. One of another
// network cannot become one of this, so that it is made anew.
func (e *estate) mendGate(ctx context.Context, in *computepb.InsertFirewallRequest) error {
	there, err := e.services.firewalls.Get(ctx, &computepb.GetFirewallRequest{Project: in.GetProject(), Firewall: e.name()})
	if err != nil {
		return err
	}
	if link(there.GetNetwork()) == in.GetFirewallResource().GetNetwork() {
		op, err := e.services.firewalls.Patch(ctx, &computepb.PatchFirewallRequest{Project: in.GetProject(), Firewall: e.name(), FirewallResource: in.GetFirewallResource()})
		err = e.services.operations.in(in.GetProject()).done(ctx, op, err)
		return err
	}
	if err := e.removeGate(ctx); err != nil {
		return err
	}
	op, err := e.services.firewalls.Insert(ctx, in)
	err = e.services.operations.in(in.GetProject()).done(ctx, op, err)
	return err
}

// removeGate deletes the firewall rule.
func (e *estate) removeGate(ctx context.Context) error {
	project := e.networkProject()
	op, err := e.services.firewalls.Delete(ctx, &computepb.DeleteFirewallRequest{Project: project, Firewall: e.name()})
	err = e.services.operations.in(project).done(ctx, op, err)
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("deleting the firewall rule %s: %w", e.name(), err)
	}
	return nil
}

// LastWords implements [headquarters.Estate].
func (e *estate) LastWords(ctx context.Context) string {
	hosts, err := e.hosts(ctx)
	if err != nil || len(hosts) == 0 {
		return "; it has no machine"
	}
	out, err := e.services.instances.GetSerialPortOutput(ctx, &computepb.GetSerialPortOutputInstanceRequest{
		Project: e.project, Zone: zoneOf(hosts[0]), Instance: hosts[0].GetName(),
	})
	if err != nil || out.GetContents() == "" {
		return ""
	}
	return headquarters.LastWords(hosts[0].GetName(), out.GetContents())
}
