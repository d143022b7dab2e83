// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Gone asks EC2 whether an instance is gone, and why. One that is not described is
// gone when it was there long enough to be.
func (c *Cloud) Gone(ctx context.Context, was serve.Instance) (gone bool, why string, err error) {
	at, err := c.account.In(ctx, was.Offer.Location.Region)
	if err != nil {
		return false, "", err
	}
	i, err := at.Until(ctx, was.ID, func(*types.Instance) (bool, error) { return true, nil })
	if err != nil {
		return false, "", err
	}
	switch stateOf(i) {
	case types.InstanceStateNamePending, types.InstanceStateNameRunning:
		return false, "", nil
	case "":
		return time.Since(was.LaunchedAt) > blindness, "EC2 does not know its instance any more", nil
	}
	why = "its instance is " + string(stateOf(i))
	if i.StateReason != nil && i.StateReason.Message != nil {
		why += ": " + *i.StateReason.Message
	}
	return true, why, nil
}
