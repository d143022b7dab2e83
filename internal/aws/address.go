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

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// address is an Elastic IP address.
type address struct {
	ID string `json:"id"` // of its allocation
	IP string `json:"ip"`
}

// addresses gives those of the controller. There can be two when the answer to
// the call that has made one was lost.
func (e *estate) addresses(ctx context.Context) ([]address, error) {
	out, err := e.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters(map[string]string{tagController: e.service})})
	if err != nil {
		return nil, meaning(err)
	}
	var all []address
	for _, a := range out.Addresses {
		all = append(all, address{aws.ToString(a.AllocationId), aws.ToString(a.PublicIp)})
	}
	slices.SortFunc(all, func(a, b address) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// makeAddress gives the controller's address: the one that it has, or a new one.
func (e *estate) makeAddress(ctx context.Context, before address) (address, error) {
	all, err := e.addresses(ctx)
	if err != nil {
		return address{}, err
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
		return address{}, fmt.Errorf("the account may have no more Elastic IP addresses in %s; release one, or have the quota raised: %w: %w", e.region, serve.ErrQuota, err)
	}
	if err != nil {
		return address{}, meaning(err)
	}
	return address{aws.ToString(out.AllocationId), aws.ToString(out.PublicIp)}, nil
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
			if hasCode(err, "InvalidIPAddress.InUse") && sleep(ctx, lookPause) {
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
