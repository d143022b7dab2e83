// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Terminate ends the instance of a replica with its disk, and returns when it is
// terminated.
func (c *Cloud) Terminate(ctx context.Context, ref serve.Ref) error {
	return c.Fleet.Terminate(ctx, ref, func(ctx context.Context, was serve.Instance) error { return c.terminate(ctx, ref, was) })
}

func (c *Cloud) terminate(ctx context.Context, ref serve.Ref, was serve.Instance) error {
	if c.account.Unused() {
		return nil
	}
	j, err := c.account.Join(ctx)
	if err != nil {
		return err
	}
	return c.account.Each(ctx, j.populated(), func(s *site) error {
		found, err := s.existing(ctx, s.refTags(ref))
		if err != nil {
			return err
		}
		ids := map[string]bool{}
		for _, i := range found {
			ids[aws.ToString(i.InstanceId)] = true
		}
		if was.ID != "" && was.Offer.Location.Region == s.region {
			ids[was.ID] = true // it may not be described yet
		}
		for id := range ids {
			if err := s.end(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// end terminates an instance that there is, or was, for certain.
func (s *site) end(ctx context.Context, id string) error {
	began := time.Now()
	for {
		_, err := s.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
		if err == nil {
			break
		}
		err = meaning(err)
		if !errors.Is(err, serve.ErrNotFound) {
			return err
		}
		// Either it is not known yet, or was terminated so long ago that it is not
		// known any more.
		if time.Since(began) > blindness {
			return nil
		}
		if !turns.Sleep(ctx, lookPause) {
			return ctx.Err()
		}
	}
	_, err := s.Until(ctx, id, func(i *types.Instance) (bool, error) {
		return i != nil && stateOf(*i) == types.InstanceStateNameTerminated || i == nil && time.Since(began) > blindness, nil
	})
	return err
}
