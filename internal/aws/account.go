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

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
)

// account is an account of AWS, connected to when it is first used.
type account = fleet.Account[*joined, *site]

func newAccount(o CloudOptions) *account {
	return fleet.NewAccount(o, "AWS", connect, (*joined).site)
}

// joined is an account that is connected to.
type joined struct {
	*fleet.Whereabouts[Config]
	current
	conf Config
	// config is signed with what is used at the time.
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
	j.Keyring, err = keyring.Open(ctx, cloudName, o.Shown, func(ctx context.Context, text string) (entry, error) {
		e, err := j.conf.enter(ctx, o, text)
		if err != nil {
			return entry{}, err
		}
		return e, known.Belong("account", e.number)
	})
	if err != nil {
		return nil, err
	}
	first := j.Key()
	j.number, j.enabled, j.config = first.number, first.enabled, first.config
	j.config.Credentials = j.current
	if o.Scope != nil {
		if j.scope, err = o.Scope(); err != nil {
			return nil, err
		}
	}
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
