// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"errors"
	"testing"
)

// seller is a cloud that does nothing but offer.
type seller struct {
	Cloud
	name  string
	offer func(context.Context) ([]Offer, error)
}

func (s seller) Name() string { return s.name }

func (s seller) Offers(ctx context.Context, _ Resource) ([]Offer, error) { return s.offer(ctx) }

// A cloud that does not answer holds up none of the others, and what they offer comes
// with its error.
func TestACloudThatDoesNotAnswerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	asked := make(chan struct{})
	silent := seller{name: "aws", offer: func(ctx context.Context) ([]Offer, error) {
		select {
		case <-asked: // the other one, meanwhile
			return nil, lost
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	here := Offer{Location: Location{Cloud: "gcp", Region: "us-east1", Zone: "us-east1-b"}, Market: Spot, InstanceType: "e2-standard-2"}
	other := seller{name: "gcp", offer: func(context.Context) ([]Offer, error) {
		close(asked)
		return []Offer{here}, nil
	}}
	resources := Resources{AnyOf: []Resource{{Infra: "aws"}, {Infra: "gcp"}}}
	list, err := Offers(t.Context(), resources, []Cloud{silent, other})
	if !errors.Is(err, lost) || len(list) != 1 || list[0].Key() != here.Key() || list[0].Entry != 1 {
		t.Errorf("Offers = %+v, %v; want that of the second cloud, and the error of the first", list, err)
	}
}
