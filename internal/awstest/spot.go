// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import "time"

// spotRequest is the record of a spot instance that was asked for. It lasts
// longer than the instance.
type spotRequest struct {
	id       string
	made     time.Time
	instance *instance
	canceled bool
	tags     tags
}

// status is how the request is, and EC2's code for why.
func (s *spotRequest) status(at time.Time) (state, code string) {
	i := s.instance
	switch {
	case s.canceled && i.live(at):
		return "cancelled", "request-canceled-and-instance-running"
	case i.live(at) && !i.interrupt.IsZero() && !i.interrupt.After(at.Add(interruptionShown)):
		return "active", "marked-for-termination"
	case i.live(at):
		return "active", "fulfilled"
	case i.reason.code == spotEnds().code:
		return "closed", "instance-terminated-no-capacity"
	}
	return "closed", "instance-terminated-by-user"
}

// EC2 marks a request when it warns its instance.
const interruptionShown = 2 * time.Minute

func (c *call) chooseRequests(ids []string) ([]*spotRequest, error) {
	return require(c.region.spots, ids, func(s *spotRequest) string { return s.id }, func(id string) error {
		return refusal(400, "InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '%s' does not exist", id)
	})
}

func describeSpotInstanceRequests(c *call, in fields) (fields, error) {
	list, err := c.chooseRequests(in.Texts("SpotInstanceRequestIds"))
	if err != nil {
		return nil, err
	}
	at := c.seen()
	list, err = pick(list, in.Subs("Filters"), func(s *spotRequest) facets {
		state, code := s.status(at)
		return facets{
			"state": {state}, "status-code": {code}, "instance-id": {s.instance.id}, "spot-instance-request-id": {s.id},
			"launched-availability-zone": {s.instance.zone.name}, "launch.instance-type": {s.instance.plan.kind.name},
		}.tagged(s.tags.at(at))
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, s := range list {
		state, code := s.status(at)
		i := s.instance
		out = append(out, fields{
			"SpotInstanceRequestId": s.id, "InstanceId": i.id, "State": state, "CreateTime": s.made, "Type": "one-time",
			"Status":                   fields{"Code": code, "UpdateTime": s.made},
			"LaunchedAvailabilityZone": i.zone.name, "ProductDescription": "Linux/UNIX", "InstanceInterruptionBehavior": "terminate",
			"LaunchSpecification": fields{"ImageId": i.plan.image.id, "InstanceType": i.plan.kind.name},
			"Tags":                tagList(s.tags.at(at)),
		})
	}
	return fields{"SpotInstanceRequests": out, "NextToken": next}, nil
}

// cancelSpotInstanceRequests cancels requests, and leaves their instances alone.
func cancelSpotInstanceRequests(c *call, in fields) (fields, error) {
	list, err := c.chooseRequests(in.Texts("SpotInstanceRequestIds"))
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, s := range list {
		s.canceled = true
		out = append(out, fields{"SpotInstanceRequestId": s.id, "State": "cancelled"})
	}
	return fields{"CancelledSpotInstanceRequests": out}, nil
}
