// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// addressPatience is for how long an address is believed to be there, or to have been
// made, although it is not described.
const addressPatience = 15 * time.Second

// addresses gives those of the controller, that which leads to a machine first. There
// can be several when the answer to the call that has made one was lost, or when two
// make it at the same moment.
func (e *estate) addresses(ctx context.Context) ([]headquarters.Address, error) {
	out, err := e.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: filters(map[string]string{tagController: e.service})})
	if err != nil {
		return nil, meaning(err)
	}
	slices.SortFunc(out.Addresses, func(a, b types.Address) int {
		return cmp.Or(cmp.Compare(aws.ToString(b.InstanceId), aws.ToString(a.InstanceId)), cmp.Compare(aws.ToString(a.AllocationId), aws.ToString(b.AllocationId)))
	})
	var all []headquarters.Address
	for _, a := range out.Addresses {
		all = append(all, headquarters.Address{ID: aws.ToString(a.AllocationId), IP: aws.ToString(a.PublicIp)})
	}
	return all, nil
}

// MakeAddress implements [headquarters.Estate].
func (e *estate) MakeAddress(ctx context.Context, before headquarters.Address) (headquarters.Address, error) {
	all, err := e.addresses(ctx)
	for began := time.Now(); err == nil && before.ID != ""; all, err = e.addresses(ctx) {
		if slices.Contains(all, before) {
			return before, nil
		}
		// Somebody may have made it just now, and others are not to be taken for it.
		if time.Since(began) > addressPatience || !turns.Sleep(ctx, lookPause) {
			break
		}
	}
	if err != nil {
		return headquarters.Address{}, err
	}
	if len(all) > 0 {
		return all[0], nil
	}
	out, err := e.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{
		Domain:            types.DomainTypeVpc,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeElasticIp, Tags: written(e.tags())}},
	})
	if err == nil {
		made := headquarters.Address{ID: aws.ToString(out.AllocationId), IP: aws.ToString(out.PublicIp)}
		e.made = append(e.made, made)
		return made, nil
	}
	if !hasCode(err, "AddressLimitExceeded") {
		return headquarters.Address{}, meaning(err)
	}
	// What is one too many may be ours, which there was no answer about.
	if all, failed := e.addresses(ctx); failed == nil && len(all) > 0 {
		return all[0], nil
	}
	return headquarters.Address{}, fmt.Errorf("the account may have no more Elastic IP addresses in %s; release one, or have the quota raised: %w: %w", e.region, serve.ErrQuota, err)
}

// KeepAddress implements [headquarters.Estate].
func (e *estate) KeepAddress(ctx context.Context, settled headquarters.Address) error {
	all, err := e.addresses(ctx)
	if err != nil {
		return err
	}
	for _, a := range e.made { // which may not be described yet
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return e.release(ctx, slices.DeleteFunc(all, func(a headquarters.Address) bool { return a.ID == settled.ID }))
}

// releaseAddresses gives the controller's addresses back.
func (e *estate) releaseAddresses(ctx context.Context) error {
	all, err := e.addresses(ctx)
	if err == nil && len(all) == 0 {
		all, err = e.lateAddresses(ctx)
	}
	if err != nil {
		return err
	}
	return e.release(ctx, all)
}

// lateAddresses gives those that are described late: where there is a bucket, somebody
// may have made one just now, and have come no farther.
func (e *estate) lateAddresses(ctx context.Context) ([]headquarters.Address, error) {
	b, err := e.Bucket(ctx)
	if err == nil {
		_, err = b.List(ctx, "")
	}
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	for began := time.Now(); err == nil; {
		all, err := e.addresses(ctx)
		if err != nil || len(all) > 0 || time.Since(began) > addressPatience {
			return all, err
		}
		if !turns.Sleep(ctx, lookPause) {
			return nil, ctx.Err()
		}
	}
	return nil, err
}

// release gives addresses back.
func (e *estate) release(ctx context.Context, addresses []headquarters.Address) error {
	for _, a := range addresses {
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
