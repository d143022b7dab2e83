// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
)

// account is an account of AWS, connected to when it is first used.
type account = fleet.Account[*joined, *site]

func newAccount(o CloudOptions) *account {
	return fleet.NewAccount(o, "AWS", connect, (*joined).site)
}

// joined is an account that is connected to.
type joined struct {
	*fleet.Whereabouts[Config]
	conf   Config
	config aws.Config
	// number is that of the account.
	number string
	scope  string
	// enabled are the regions the account has.
	enabled []string
	prices  *pricing.Client
}

func connect(ctx context.Context, o CloudOptions) (*joined, error) {
	known, err := fleet.NewWhereabouts[Config](o)
	if err != nil {
		return nil, err
	}
	j := &joined{Whereabouts: known, conf: known.Config()}
	given, err := keyringOf(ctx, o.Shown)
	if err != nil {
		return nil, err
	}
	if j.config, err = j.conf.loadAs(ctx, o.Transport, given); err != nil {
		return nil, err
	}
	identity, err := j.conf.sts(j.config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, meaning(err)
	}
	j.number = aws.ToString(identity.Account)
	if err := known.Belong("account", j.number); err != nil {
		return nil, err
	}
	if o.Scope != nil {
		if j.scope, err = o.Scope(); err != nil {
			return nil, err
		}
	}
	regions, err := j.conf.ec2(j.config).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, meaning(err)
	}
	for _, r := range regions.Regions {
		j.enabled = append(j.enabled, aws.ToString(r.RegionName))
	}
	slices.Sort(j.enabled)
	j.prices = j.conf.prices(j.config)
	return j, nil
}

// regions gives those in which machines may be made.
func (j *joined) regions() []string {
	if len(j.conf.Regions) == 0 {
		return slices.Clone(j.enabled)
	}
	return slices.DeleteFunc(slices.Clone(j.conf.Regions), func(r string) bool { return !slices.Contains(j.enabled, r) })
}

// populated gives the regions in which machines may be.
func (j *joined) populated() []string { return j.Populated(j.enabled) }

// site is one region of the account.
type site struct {
	*joined
	region string
	ec2    *ec2.Client
	ssm    *ssm.Client
	quotas *servicequotas.Client
	*fleet.Lookout[types.Instance]
	catalog
	grounds
	// images are those that were used in the region, by their names.
	images fleet.Answers[machineImage]
}

// site opens a region of the account.
func (j *joined) site(region string) *site {
	cfg := j.config.Copy()
	cfg.Region = region
	s := &site{joined: j, region: region, ec2: j.conf.ec2(cfg), ssm: j.conf.ssm(cfg), quotas: j.conf.quotas(cfg)}
	s.Lookout = fleet.NewLookout(s.describeAll)
	return s
}
