// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// addresses gives those of the controller. There can be two when the answer to
// the call that has made one was lost.
func (e *estate) addresses(ctx context.Context) ([]headquarters.Address, error) {
	out, err := e.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters(map[string]string{tagController: e.service})})
	if err != nil {
		return nil, meaning(err)
	}
	var all []headquarters.Address
	for _, a := range out.Addresses {
		all = append(all, headquarters.Address{ID: aws.ToString(a.AllocationId), IP: aws.ToString(a.PublicIp)})
	}
	slices.SortFunc(all, func(a, b headquarters.Address) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// MakeAddress implements [headquarters.Estate].
func (e *estate) MakeAddress(ctx context.Context, before headquarters.Address) (headquarters.Address, error) {
	all, err := e.addresses(ctx)
	if err != nil {
		return headquarters.Address{}, err
	}
	if slices.Contains(all, before) {
		return before, nil
	}
	if len(all) > 0 {
		return all[0], nil
	}
	out, err := e.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{
		Domain:            types.DomainTypeVpc,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeElasticIp, Tags: written(e.tags())}},
	})
	if hasCode(err, "AddressLimitExceeded") {
		return headquarters.Address{}, fmt.Errorf("the account may have no more Elastic IP addresses in %s; release one, or have the quota raised: %w: %w", e.region, serve.ErrQuota, err)
	}
	if err != nil {
		return headquarters.Address{}, meaning(err)
	}
	return headquarters.Address{ID: aws.ToString(out.AllocationId), IP: aws.ToString(out.PublicIp)}, nil
}

// releaseAddresses gives the controller's addresses back.
func (e *estate) releaseAddresses(ctx context.Context) error {
	all, err := e.addresses(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		for {
			_, err := e.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: aws.String(a.ID)})
			if hasCode(err, "InvalidIPAddress.InUse") && turns.Sleep(ctx, lookPause) {
				continue // the instance that had it is not quite gone
			}
			if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
				return fmt.Errorf("releasing the address %s: %w", a.IP, err)
			}
			break
		}
	}
	return nil
}
