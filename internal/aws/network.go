// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// grounds are where in a region the instances of services stand.
type grounds struct {
	// making has one caller at a time make a ground: the others find it.
	making turns.Turns[struct{}]

	mu    sync.Mutex
	known map[string]ground
}

// ground is a network with a subnet in each zone, and the service's security group.
type ground struct {
	vpc     string
	subnets map[string]string
	group   string
}

func (g *grounds) get(service string) (ground, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.known[service]
	return known, ok
}

func (g *grounds) put(service string, is ground) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil {
		g.known = map[string]ground{}
	}
	g.known[service] = is
}

// drop forgets the ground of a service: somebody has changed it.
func (g *grounds) drop(service string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, service)
}

// ground gives the ground of a service, and makes its security group.
func (s *site) ground(ctx context.Context, service string) (ground, error) {
	ctx, leave, err := s.grounds.making.Enter(ctx, struct{}{})
	if err != nil {
		return ground{}, err
	}
	defer leave()
	g, known := s.grounds.get(service)
	if known {
		return g, nil
	}
	if g.vpc, err = s.vpc(ctx, s.conf.VPC); err != nil {
		return g, err
	}
	if g.subnets, err = s.subnets(ctx, g.vpc); err != nil {
		return g, err
	}
	if g.group, err = s.group(ctx, g.vpc, service); err != nil {
		return g, fmt.Errorf("making the security group of service %q: %w", service, err)
	}
	s.grounds.put(service, g)
	return g, nil
}

// vpc gives the network that was asked for, or the default one.
func (s *site) vpc(ctx context.Context, id string) (string, error) {
	in := &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}}}
	if id != "" {
		in = &ec2.DescribeVpcsInput{VpcIds: []string{id}}
	}
	out, err := s.ec2.DescribeVpcs(ctx, in)
	if err != nil {
		return "", meaning(err)
	}
	if len(out.Vpcs) == 0 {
		return "", fmt.Errorf("the account has no default network in %s; make one, or name another by aws.vpc_id in the provider's configuration: %w", s.region, serve.ErrInvalid)
	}
	return aws.ToString(out.Vpcs[0].VpcId), nil
}

// subnets gives for each zone the subnet with the most free addresses.
func (s *site) subnets(ctx context.Context, vpc string) (map[string]string, error) {
	subnets, free := map[string]string{}, map[string]int32{}
	pages := ec2.NewDescribeSubnetsPaginator(s.ec2, &ec2.DescribeSubnetsInput{
		Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, meaning(err)
		}
		for _, n := range page.Subnets {
			zone := aws.ToString(n.AvailabilityZone)
			if left := aws.ToInt32(n.AvailableIpAddressCount); subnets[zone] == "" || left > free[zone] {
				subnets[zone], free[zone] = aws.ToString(n.SubnetId), left
			}
		}
	}
	return subnets, nil
}

// groupName is what a service's security group is called. It is one name in a
// network, whoever makes it.
func (s *site) groupName(service string) string {
	return strings.TrimSuffix("serve-"+service+"-"+s.scope, "-")
}

// securityGroup is one that there is to be.
type securityGroup struct {
	name  string
	tags  map[string]string
	about string
	// ports are those that everybody may come to; all others are open to nobody.
	ports []port
}

// port is an open port, and what it is for.
type port struct {
	number int32
	about  string
}

// permission is the port in the words of EC2.
func (p port) permission() types.IpPermission {
	return types.IpPermission{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(p.number), ToPort: aws.Int32(p.number),
		IpRanges:   []types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String(p.about)}},
		Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0"), Description: aws.String(p.about)}},
	}
}

// group gives the security group of a service in a network, and makes it. It lets
// in whoever wants to talk to an agent, which talks to nobody but its controller;
// what the service listens on is open to nobody.
func (s *site) group(ctx context.Context, vpc, service string) (string, error) {
	tags := s.serviceTags(service)
	tags[tagName] = s.groupName(service)
	return s.makeSecurityGroup(ctx, vpc, securityGroup{
		name: s.groupName(service), tags: tags, about: "Replicas of a serve_service; managed by terraform-provider-serve",
		ports: []port{{agent.DefaultPort, "The agent, which demands its controller's key"}},
	})
}

// makeSecurityGroup gives a security group in a network, by its name, and makes it.
func (s *site) makeSecurityGroup(ctx context.Context, vpc string, g securityGroup) (string, error) {
	id, err := s.findGroup(ctx, vpc, g.name)
	if err != nil {
		return "", err
	}
	if id == "" {
		out, err := s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(g.name), VpcId: aws.String(vpc), Description: aws.String(g.about),
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: written(g.tags)}},
		})
		switch {
		case hasCode(err, "InvalidGroup.Duplicate"):
			// Somebody else was faster, or a call that was not answered has made it.
			if id, err = s.awaitGroup(ctx, vpc, g.name); err != nil {
				return "", err
			}
		case err != nil:
			return "", meaning(err)
		default:
			id = aws.ToString(out.GroupId)
		}
	}
	// Always, as whoever made it may have come no farther.
	for _, p := range g.ports {
		if err := s.open(ctx, id, p); err != nil {
			return "", err
		}
	}
	return id, nil
}

// open opens a port of a group. A new group may not be known everywhere at once.
func (s *site) open(ctx context.Context, id string, p port) error {
	for {
		_, err := s.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: aws.String(id), IpPermissions: []types.IpPermission{p.permission()},
		})
		switch {
		case err == nil, hasCode(err, "InvalidPermission.Duplicate"):
			return nil
		case !hasCode(err, "InvalidGroup.NotFound"):
			return meaning(err)
		case !turns.Sleep(ctx, lookPause):
			return ctx.Err()
		}
	}
}

// findGroup looks for a group by its name; empty if there is none.
func (s *site) findGroup(ctx context.Context, vpc, name string) (string, error) {
	out, err := s.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}},
		{Name: aws.String("group-name"), Values: []string{name}},
	}})
	if err != nil || len(out.SecurityGroups) == 0 {
		return "", meaning(err)
	}
	return aws.ToString(out.SecurityGroups[0].GroupId), nil
}

// awaitGroup looks for a group that there is for certain.
func (s *site) awaitGroup(ctx context.Context, vpc, name string) (string, error) {
	for {
		id, err := s.findGroup(ctx, vpc, name)
		if err != nil || id != "" {
			return id, err
		}
		if !turns.Sleep(ctx, lookPause) {
			return "", ctx.Err()
		}
	}
}

// Clean removes the security groups of a service whose instances are gone.
func (c *Cloud) Clean(ctx context.Context, service string) error {
	if c.account.Unused() {
		return nil
	}
	j, err := c.account.Join(ctx)
	if err == nil {
		err = c.account.Each(ctx, j.populated(), func(s *site) error { return s.clean(ctx, service) })
	}
	if err != nil {
		return fmt.Errorf("removing the security groups of service %q: %w", service, err)
	}
	return nil
}

func (s *site) clean(ctx context.Context, service string) error {
	s.grounds.drop(service)
	return s.deleteGroups(ctx, map[string]string{tagService: service, tagScope: s.scope})
}

// deleteGroups deletes all groups with the tags.
func (s *site) deleteGroups(ctx context.Context, tags map[string]string) error {
	pages := ec2.NewDescribeSecurityGroupsPaginator(s.ec2, &ec2.DescribeSecurityGroupsInput{Filters: filters(tags)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return meaning(err)
		}
		for _, g := range page.SecurityGroups {
			if err := s.deleteGroup(ctx, aws.ToString(g.GroupId)); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteGroup deletes a group as soon as nothing is in it any more: the network
// interface of an instance may outlive it by a moment.
func (s *site) deleteGroup(ctx context.Context, id string) error {
	for {
		_, err := s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String(id)})
		switch err = meaning(err); {
		case err == nil, errors.Is(err, serve.ErrNotFound):
			return nil
		case !hasCode(err, "DependencyViolation"):
			return err
		case !turns.Sleep(ctx, lookPause):
			return err
		}
	}
}
