// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// view is all that is shown of a service. It is made of what is listed here, and
// not of the service as a whole, so that nothing of a spec gets in by itself.
type view struct {
	Name     string       `json:"name"`
	At       time.Time    `json:"at"`
	Status   serve.Status `json:"status"`
	Message  string       `json:"message,omitempty"`
	Endpoint string       `json:"endpoint,omitempty"`
	Revision int64        `json:"revision,omitempty"`
	// Unseen says that nothing else is known.
	Unseen bool `json:"unseen,omitempty"`

	FirstReadyAt time.Time    `json:"first_ready_at,omitzero"`
	Counts       serve.Counts `json:"counts"`
	Target       int          `json:"target"`
	// The sums are those of At; the rates are per hour and hold until something
	// changes.
	Spent        float64 `json:"spent"`
	Saved        float64 `json:"saved"`
	CostPerHour  float64 `json:"cost_per_hour"`
	SavedPerHour float64 `json:"saved_per_hour"`
	SpotHours    float64 `json:"spot_hours"`
	DemandHours  float64 `json:"on_demand_hours"`
	BelowSeconds float64 `json:"below_seconds"`
	// Below says that there are too few replicas at this moment.
	Below bool `json:"below"`

	Places        []place              `json:"places"`
	Replicas      []replica            `json:"replicas"`
	Interrupted   int                  `json:"interrupted"`
	Interruptions []serve.Interruption `json:"interruptions"`
	Timeline      []serve.Span         `json:"timeline"`
	Events        []serve.Event        `json:"events"`

	Charts []chart `json:"-"`
}

// replica is one row of the table of replicas.
type replica struct {
	ID       int64          `json:"id"`
	Revision int64          `json:"revision"`
	Status   serve.Status   `json:"status"`
	Market   serve.Market   `json:"market"`
	Location serve.Location `json:"location"`
	Machine  string         `json:"instance_type,omitempty"`
	Price    float64        `json:"price"`
	Since    time.Time      `json:"since"`
	Message  string         `json:"message,omitempty"`
}

// unseen describes a service that cannot be seen.
func unseen(name string, err error) view {
	v := view{Name: name, At: time.Now(), Status: serve.ControllerFailed, Unseen: true,
		Message: "The controller does not answer. Applying the resource starts it again."}
	if errors.Is(err, serve.ErrNotFound) {
		v.Status, v.Message = "GONE", "There is no such service any more."
	}
	return v
}

// describe makes a view.
func describe(s serve.Service, events []serve.Event, at time.Time) view {
	books := s.Ledger.Until(at)
	v := view{
		Name: s.Name, At: at, Status: s.Status, Message: s.Message, Endpoint: s.Endpoint, Revision: s.Revision,
		FirstReadyAt: s.FirstReadyAt, Counts: s.Counts, Target: s.Target,
		Spent: books.Spent(), Saved: books.Saved, CostPerHour: books.CostPerHour(), SavedPerHour: books.SavedPerHour(),
		SpotHours: books.Spot.Hours, DemandHours: books.OnDemand.Hours,
		BelowSeconds: books.BelowSeconds, Below: books.Ready < books.Target,
		Places: places(s.Replicas), Interrupted: books.Interrupted,
		Interruptions: slices.Clone(books.Interruptions), Timeline: books.Timeline, Events: slices.Clone(events),
		Charts: charts(books.Timeline, at),
	}
	// What is newest is read first.
	slices.Reverse(v.Interruptions)
	slices.Reverse(v.Events)
	for _, r := range s.Replicas {
		since := r.LaunchedAt
		if since.IsZero() {
			since = r.CreatedAt
		}
		v.Replicas = append(v.Replicas, replica{
			ID: r.ID, Revision: r.Revision, Status: r.Status(), Market: r.Market, Location: r.Offer.Location,
			Machine: r.Offer.InstanceType, Price: r.Offer.Price, Since: since, Message: r.Message,
		})
	}
	return v
}

// place is what there is in one location.
type place struct {
	Location serve.Location `json:"location"`
	Spot     tally          `json:"spot"`
	OnDemand tally          `json:"on_demand"`
}

// tally counts replicas of one market in one place.
type tally struct {
	Ready int `json:"ready"`
	Total int `json:"total"`
	// Price is that of one machine, in US dollars per hour.
	Price float64 `json:"price,omitempty"`
}

// places sums up replicas by location. Those that have failed, and those that
// wait for a place, are in none.
func places(replicas []serve.Replica) []place {
	var list []place
	for _, r := range replicas {
		if r.Status().IsFailed() || r.Offer.IsZero() {
			continue
		}
		i := slices.IndexFunc(list, func(p place) bool { return p.Location == r.Offer.Location })
		if i < 0 {
			i = len(list)
			list = append(list, place{Location: r.Offer.Location})
		}
		count := &list[i].OnDemand
		if r.Market == serve.Spot {
			count = &list[i].Spot
		}
		count.Total++
		count.Price = r.Offer.Price
		if r.Status() == serve.Ready {
			count.Ready++
		}
	}
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(strings.Compare(a.Location.Cloud, b.Location.Cloud),
			strings.Compare(a.Location.Region, b.Location.Region), strings.Compare(a.Location.Zone, b.Location.Zone))
	})
	return list
}
