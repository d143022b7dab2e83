// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestHowManyReplicasOfWhichMarketThereAreToBe(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, row := range []struct {
		name                           string
		spot                           *bool
		policy                         ReplicaPolicy
		on, off, mostSpot, mostRegular int
	}{
		{"a fixed number on demand", &no, ReplicaPolicy{MinReplicas: 3, MaxReplicas: 3}, 0, 3, 0, 3},
		{"a fixed number on spot machines", &yes, ReplicaPolicy{MinReplicas: 3, MaxReplicas: 3}, 3, 0, 3, 0},
		{"what nobody has asked for is on demand", nil, ReplicaPolicy{MinReplicas: 1, MaxReplicas: 1}, 0, 1, 0, 1},
		{"a base on demand", &yes, ReplicaPolicy{MinReplicas: 2, MaxReplicas: 5, BaseOndemandFallbackReplicas: 1}, 1, 1, 4, 1},
		{"a base that is more than there is", &yes, ReplicaPolicy{MinReplicas: 1, MaxReplicas: 2, BaseOndemandFallbackReplicas: 5}, 0, 1, 0, 2},
		{"replicas on demand that stand in", &yes, ReplicaPolicy{MinReplicas: 2, MaxReplicas: 4, DynamicOndemandFallback: true, NumOverprovision: 1}, 3, 0, 5, 4},
		{"none until somebody asks", &yes, ReplicaPolicy{MinReplicas: 0, MaxReplicas: 4, NumOverprovision: 1}, 0, 0, 5, 0},
		{
			"more at certain hours", &yes,
			ReplicaPolicy{MinReplicas: 1, MaxReplicas: 2, Schedules: []Schedule{{MinReplicas: 3, MaxReplicas: 6}}}, 1, 0, 6, 0,
		},
	} {
		s := NewSpec("web")
		s.Resources.UseSpot, s.ReplicaPolicy = row.spot, row.policy
		if on, off := s.Mix(s.ReplicaPolicy.MinReplicas); on != row.on || off != row.off {
			t.Errorf("%s: got %d spot and %d on-demand replicas, want %d and %d", row.name, on, off, row.on, row.off)
		}
		if on, off := s.Most(); on != row.mostSpot || off != row.mostRegular {
			t.Errorf("%s: there may be %d spot and %d on-demand replicas, want %d and %d", row.name, on, off, row.mostSpot, row.mostRegular)
		}
	}
}

func TestWhatAServiceWouldCost(t *testing.T) {
	t.Parallel()
	s := NewSpec("web")
	yes := true
	s.Resources.UseSpot = &yes
	s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas, s.ReplicaPolicy.BaseOndemandFallbackReplicas = 3, 9, 1
	offer := func(m Market, price float64, rank int) Offer {
		return Offer{Location: Location{Cloud: "aws"}, Market: m, Price: price, Rank: rank}
	}
	for _, row := range []struct {
		name   string
		offers []Offer
		want   HourlyCost
		ok     bool
	}{
		{"the cheapest counts", []Offer{offer(Spot, 0.5, 0), offer(Spot, 0.25, 0), offer(OnDemand, 2, 0), offer(OnDemand, 1, 0)}, HourlyCost{0.5, 1, 1.5}, true},
		{"the preferred counts more", []Offer{offer(Spot, 0.5, 0), offer(Spot, 0.25, 1), offer(OnDemand, 1, 2)}, HourlyCost{1, 1, 2}, true},
		{"nothing is sold", nil, HourlyCost{}, false},
		{"one market is missing", []Offer{offer(Spot, 0.5, 0)}, HourlyCost{}, false},
		{"one price is not known", []Offer{offer(Spot, 0, 0), offer(OnDemand, 1, 0)}, HourlyCost{}, false},
	} {
		if got, ok := s.Estimate(row.offers); got != row.want || ok != row.ok {
			t.Errorf("%s: got %+v, %v; want %+v, %v", row.name, got, ok, row.want, row.ok)
		}
	}
	s.ReplicaPolicy.MinReplicas = 0
	if got, ok := s.Estimate(nil); got != (HourlyCost{}) || !ok {
		t.Errorf("no replica costs %+v, %v", got, ok)
	}
}

// shop is a cloud that sells one type of machine in each region that is named.
type shop struct {
	Cloud // nothing else of it is used
	name  string
	fail  error
}

func (s shop) Name() string { return s.name }

func (s shop) Offers(_ context.Context, r Resource) ([]Offer, error) {
	return []Offer{{Location: Location{Cloud: s.name, Region: r.Location().Region}, Market: Spot, Price: 1}}, s.fail
}

func TestEveryCloudIsAskedForWhatMayBeInIt(t *testing.T) {
	t.Parallel()
	boom := errors.New("no answer")
	clouds := []Cloud{shop{name: "local"}, shop{name: "aws", fail: boom}, shop{name: "gcp"}}
	offers, err := Offers(t.Context(), Resources{Ordered: []Resource{{Infra: "aws/b"}, {}, {Infra: "aws/a"}, {Infra: "aws/b"}}}, clouds)
	if !errors.Is(err, boom) {
		t.Errorf("got the error %v", err)
	}
	var got []string
	for _, o := range offers {
		if o.Entry != o.Rank {
			t.Errorf("%+v has another rank than its entry", o)
		}
		got = append(got, o.Location.String())
	}
	if want := []string{"aws/b", "local", "aws/a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
