// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// generations bounds how often the instance of one replica and offer is made.
const generations = 100

// Launch makes the instance of req.Ref and returns when its program is being
// started.
func (c *Cloud) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	return c.Fleet.Launch(ctx, req, &launch{cloud: c, req: req})
}

// launch is one launch under way.
type launch struct {
	cloud *Cloud
	*site
	req serve.LaunchRequest
	// asked is what EC2 was asked for and has not clearly answered; id is what it
	// has answered with.
	asked *ec2.RunInstancesInput
	id    string
}

// Make finds the instance, or has EC2 make it, and waits until it runs.
func (l *launch) Make(ctx context.Context) (fleet.Up, error) {
	if err := l.check(); err != nil {
		return fleet.Up{}, err
	}
	var err error
	if l.site, err = l.cloud.account.In(ctx, l.req.Offer.Location.Region); err != nil {
		return fleet.Up{}, err
	}
	if err := l.have(ctx); err != nil {
		return fleet.Up{}, err
	}
	i, err := l.Until(ctx, l.id, func(i *types.Instance) (bool, error) {
		if i == nil {
			return false, nil
		}
		return stateOf(*i) == types.InstanceStateNameRunning && l.hostOf(*i) != "", l.fallen(*i)
	})
	if err != nil {
		return fleet.Up{}, err
	}
	return l.up(i)
}

// up gives an instance that runs.
func (l *launch) up(i types.Instance) (fleet.Up, error) {
	of, err := l.instanceOf(i)
	return fleet.Up{Instance: of, Architecture: goArchitecture(string(i.Architecture))}, err
}

// check refuses what is asked for where it can never be had.
func (l *launch) check() error {
	at := l.req.Offer.Location
	if at.Cloud != cloudName || at.Region == "" || at.Zone == "" || l.req.Offer.InstanceType == "" {
		return fmt.Errorf("%w: %s is not a zone of AWS", serve.ErrInvalid, at)
	}
	return nil
}

// have finds the instance of the replica, or has EC2 make it.
func (l *launch) have(ctx context.Context) error {
	found, err := l.existing(ctx, l.refTags(l.req.Ref))
	if err != nil {
		return err
	}
	for _, i := range found {
		if stateOf(i) != types.InstanceStateNameShuttingDown {
			l.id = aws.ToString(i.InstanceId)
		}
	}
	if l.id != "" {
		return nil
	}
	return l.make(ctx)
}

// fallen gives the error of an instance that has ended while it was being launched.
func (l *launch) fallen(i types.Instance) error {
	switch stateOf(i) {
	case types.InstanceStateNameShuttingDown, types.InstanceStateNameTerminated, types.InstanceStateNameStopping, types.InstanceStateNameStopped:
	default:
		return nil
	}
	why := "it has ended"
	if r := i.StateReason; r != nil {
		why = aws.ToString(r.Message)
		switch aws.ToString(r.Code) {
		case "Server.InsufficientInstanceCapacity", "Server.SpotInstanceTermination", "Server.SpotInstanceShutdown":
			return fmt.Errorf("instance %s ended while it was being launched: %s: %w", l.id, why, serve.ErrCapacity)
		case "Client.VolumeLimitExceeded":
			return fmt.Errorf("instance %s ended while it was being launched: %s: %w", l.id, why, serve.ErrQuota)
		}
	}
	return fmt.Errorf("instance %s ended while it was being launched: %s", l.id, why)
}

// make has EC2 make the instance, with the first token that no instance which has
// ended already has.
func (l *launch) make(ctx context.Context) error {
	in, err := l.plan(ctx)
	if err != nil {
		return err
	}
	if err := l.Settle(l.region); err != nil {
		return err
	}
	ref, offer := l.req.Ref, l.req.Offer
	for n := range generations {
		in.ClientToken = aws.String(fleet.Token(l.scope, ref.Service, ref.UID, strconv.FormatInt(ref.Replica, 10), offer.Key(), strconv.Itoa(n)))
		l.asked = in
		i, err := l.start(ctx, in)
		if err != nil {
			return err
		}
		switch stateOf(i) {
		case types.InstanceStateNameShuttingDown, types.InstanceStateNameTerminated:
			continue // that of an earlier launch, which was ended
		}
		l.asked, l.id = nil, aws.ToString(i.InstanceId)
		return nil
	}
	return fmt.Errorf("the instance was made and ended %d times", generations)
}

// start calls RunInstances until it is clear what came of it.
func (l *launch) start(ctx context.Context, in *ec2.RunInstancesInput) (types.Instance, error) {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		out, err := l.ec2.RunInstances(ctx, in)
		switch {
		case err == nil && len(out.Instances) == 1:
			return out.Instances[0], nil
		case err == nil:
			return types.Instance{}, fmt.Errorf("EC2 has answered with %d instances, and not one", len(out.Instances))
		case hasCode(err, "IdempotentParameterMismatch"):
			// It was made before, with what was true then: with another image, say.
			return l.byToken(ctx, aws.ToString(in.ClientToken))
		case !unclear(err):
			l.asked = nil // it was refused, and nothing was made
			if hasCode(err, "InvalidGroup.NotFound", "InvalidSubnetID.NotFound") {
				l.grounds.drop(l.req.Ref.Service)
				return types.Instance{}, err // whoever tries again finds what there is now
			}
			return types.Instance{}, meaning(err)
		}
		l.cloud.log.WarnContext(ctx, "EC2 has not clearly answered to a launch; asking again", "replica", l.req.Ref.Replica, "error", err)
		if !turns.Sleep(ctx, pause) {
			return types.Instance{}, ctx.Err()
		}
	}
}

// byToken waits until the instance that a token stands for is described.
func (l *launch) byToken(ctx context.Context, token string) (types.Instance, error) {
	for began := time.Now(); time.Since(began) < blindness; {
		found, err := l.describe(ctx, []types.Filter{{Name: aws.String("client-token"), Values: []string{token}}})
		if err != nil {
			return types.Instance{}, err
		}
		if len(found) > 0 {
			return found[0], nil
		}
		if !turns.Sleep(ctx, lookPause) {
			return types.Instance{}, ctx.Err()
		}
	}
	// It has been gone for longer than EC2 remembers.
	return types.Instance{State: &types.InstanceState{Name: types.InstanceStateNameTerminated}}, nil
}

// plan says what the instance is to be like.
func (l *launch) plan(ctx context.Context) (*ec2.RunInstancesInput, error) {
	machine, err := l.typeNamed(ctx, l.req.Offer.InstanceType)
	if err != nil {
		return nil, err
	}
	image, err := l.image(ctx, l.req.Resource, machine)
	if err != nil {
		return nil, err
	}
	ground, err := l.ground(ctx, l.req.Ref.Service)
	if err != nil {
		return nil, err
	}
	subnet, ok := ground.subnets[l.req.Offer.Location.Zone]
	if !ok {
		return nil, fmt.Errorf("%w: the network %s has no subnet in %s", serve.ErrCapacity, ground.vpc, l.req.Offer.Location.Zone)
	}
	data, err := l.userData(machine)
	if err != nil {
		return nil, err
	}
	disk, err := image.disk(l.req.Resource)
	if err != nil {
		return nil, err
	}
	tags, err := l.replicaTags(l.req)
	if err != nil {
		return nil, err
	}
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		ImageId: aws.String(image.id), InstanceType: types.InstanceType(machine.Name), UserData: aws.String(data),
		InstanceInitiatedShutdownBehavior: types.ShutdownBehaviorTerminate,
		BlockDeviceMappings:               []types.BlockDeviceMapping{disk},
		MetadataOptions:                   &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired, HttpEndpoint: types.InstanceMetadataEndpointStateEnabled},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), SubnetId: aws.String(subnet), Groups: []string{ground.group},
			AssociatePublicIpAddress: aws.Bool(!l.conf.Private), DeleteOnTermination: aws.Bool(true),
		}},
	}
	tagged := []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface}
	if l.req.Offer.Market == serve.Spot {
		tagged = append(tagged, types.ResourceTypeSpotInstancesRequest)
		// Without a highest price: at the price of an on-demand machine it ends anyway.
		in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{
			MarketType: types.MarketTypeSpot,
			SpotOptions: &types.SpotMarketOptions{
				SpotInstanceType: types.SpotInstanceTypeOneTime, InstanceInterruptionBehavior: types.InstanceInterruptionBehaviorTerminate,
			},
		}
	}
	for _, kind := range tagged {
		in.TagSpecifications = append(in.TagSpecifications, types.TagSpecification{ResourceType: kind, Tags: written(tags)})
	}
	return in, nil
}

// userData is what the instance knows at its birth.
func (l *launch) userData(machine fleet.Type) (string, error) {
	birth, err := l.cloud.Birth(cloudName, l.req.Ref, machine.Architecture)
	if err != nil {
		return "", err
	}
	text, err := bootstrap.UserData(birth)
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

// Fallen gives why the instance has ended, if EC2 says that it has.
func (l *launch) Fallen(ctx context.Context) error {
	var fell error
	_, err := l.Until(ctx, l.id, func(i *types.Instance) (bool, error) {
		if i != nil {
			fell = l.fallen(*i)
		}
		return i != nil, nil
	})
	if err != nil {
		return nil //nolint:nilerr // nothing is known of it
	}
	return fell
}

// Clear takes away what a failed launch has made. Of a call that has not been
// answered it asks again, as there is no other way to know: that gives the
// instance if there is one, and at worst makes it to be ended at once.
func (l *launch) Clear(ctx context.Context) error {
	if l.asked != nil {
		i, err := l.start(ctx, l.asked)
		if err != nil && l.asked == nil {
			return nil
		}
		if err != nil {
			return err
		}
		l.id = aws.ToString(i.InstanceId)
	}
	if l.id == "" {
		return nil
	}
	return l.end(ctx, l.id)
}
