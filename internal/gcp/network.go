// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// groundLifetime is for how long a network, and a firewall rule in it, are believed to
// be as they were seen.
const groundLifetime = 10 * time.Minute

// ground is a network, where in each region an instance stands in it.
type ground struct {
	// project is the network's, which is another one's where a network is shared.
	project, network string
	subnets          map[string]string
}

// link gives what a network or a part of one is called in full.
func link(url string) string {
	if at := strings.Index(url, "projects/"); at >= 0 {
		return url[at:]
	}
	return url
}

// ground gives the network that was asked for, or the default one.
func (j *joined) ground(ctx context.Context) (ground, error) {
	return j.grounds.One(ctx, groundLifetime, "", j.findGround)
}

func (j *joined) findGround(ctx context.Context) (ground, error) {
	named := link(j.conf.Network)
	if part := regexp.MustCompile(`^projects/([^/]+)/regions/([^/]+)/subnetworks/([^/]+)$`).FindStringSubmatch(named); part != nil {
		subnet, err := j.services.subnetworks.Get(ctx, &computepb.GetSubnetworkRequest{Project: part[1], Region: part[2], Subnetwork: part[3]})
		if err != nil {
			return ground{}, absent(err, named)
		}
		return ground{project: part[1], network: link(subnet.GetNetwork()), subnets: map[string]string{part[2]: named}}, nil
	}
	g := ground{project: j.project, subnets: map[string]string{}}
	name := "default"
	switch parts := regexp.MustCompile(`^(?:projects/([^/]+)/)?(?:global/networks/)?([^/]+)$`).FindStringSubmatch(named); {
	case parts != nil && parts[1] != "":
		g.project, name = parts[1], parts[2]
	case parts != nil:
		name = parts[2]
	case named != "":
		return ground{}, fmt.Errorf("gcp.network: %q is neither a network nor a subnetwork (\"projects/…/regions/…/subnetworks/…\"): %w", j.conf.Network, serve.ErrInvalid)
	}
	g.network = "projects/" + g.project + "/global/networks/" + name
	network, err := j.services.networks.Get(ctx, &computepb.GetNetworkRequest{Project: g.project, Network: name})
	if err != nil {
		return ground{}, absent(err, g.network)
	}
	for _, url := range slices.Sorted(slices.Values(network.GetSubnetworks())) {
		subnet := link(url)
		if parts := strings.Split(subnet, "/"); len(parts) > 3 && g.subnets[parts[3]] == "" {
			g.subnets[parts[3]] = subnet
		}
	}
	return g, nil
}

// absent says what to do about a network that is not there.
func absent(err error, network string) error {
	if err = meaning(err); errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("there is no network %s; make one, or name another by gcp.network in the provider's configuration: %w: %w", network, serve.ErrInvalid, err)
	}
	return fmt.Errorf("looking at the network %s: %w", network, err)
}

// open has a service's firewall rule be there. It lets in whoever wants to talk to an
// agent, which talks to nobody but its controller; what the service listens on is open
// to nobody.
func (j *joined) open(ctx context.Context, g ground, service string) error {
	_, err := j.rules.One(ctx, groundLifetime, service, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, j.makeRule(ctx, g, service)
	})
	if err != nil {
		return fmt.Errorf("making the firewall rule of service %q: %w", service, err)
	}
	return nil
}

func (j *joined) makeRule(ctx context.Context, g ground, service string) error {
	name := j.firewallName(service, g.network)
	_, err := j.services.firewalls.Get(ctx, &computepb.GetFirewallRequest{Project: g.project, Firewall: name})
	if err = meaning(err); !errors.Is(err, serve.ErrNotFound) {
		return err
	}
	op, err := j.services.firewalls.Insert(ctx, &computepb.InsertFirewallRequest{Project: g.project, FirewallResource: &computepb.Firewall{
		Name: &name, Network: &g.network, Direction: new("INGRESS"),
		Description:  new("The agent on replicas of the serve_service " + service + ", which demands its controller's key; managed by terraform-provider-serve"),
		SourceRanges: []string{"0.0.0.0/0"}, TargetTags: []string{j.networkTag(service)},
		Allowed: []*computepb.Allowed{{IPProtocol: new("tcp"), Ports: []string{strconv.Itoa(agent.DefaultPort)}}},
	}})
	if err = j.services.operations.in(g.project).done(ctx, op, err); hasCode(err, "alreadyExists", "RESOURCE_ALREADY_EXISTS") {
		return nil // somebody else was faster, or a call that was not answered has made it
	}
	return meaning(err)
}

// networkProject is the project that the network is of, whether it is there or not.
func (j *joined) networkProject() string {
	if parts := strings.Split(link(j.conf.Network), "/"); parts[0] == "projects" && len(parts) > 1 {
		return parts[1] // of a network that is shared
	}
	return j.project
}

// Clean removes the firewall rules of a service whose instances are gone.
func (c *Cloud) Clean(ctx context.Context, service string) error {
	if c.account.Unused() {
		return nil
	}
	j, err := c.account.Join(ctx)
	if err == nil {
		err = j.clean(ctx, service)
	}
	if err != nil {
		return fmt.Errorf("removing the firewall rules of service %q: %w", service, err)
	}
	return nil
}

func (j *joined) clean(ctx context.Context, service string) error {
	project := j.networkProject()
	rules := j.within(ctx).firewalls.List(ctx, &computepb.ListFirewallsRequest{Project: project})
	for {
		rule, err := rules.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return meaning(err)
		}
		if !slices.Contains(rule.GetTargetTags(), j.networkTag(service)) {
			continue
		}
		op, err := j.services.firewalls.Delete(ctx, &computepb.DeleteFirewallRequest{Project: project, Firewall: rule.GetName()})
		if err = j.services.operations.in(project).done(ctx, op, err); err != nil && !errors.Is(meaning(err), serve.ErrNotFound) {
			return meaning(err)
		}
	}
	return j.rules.Drop(ctx, service)
}
