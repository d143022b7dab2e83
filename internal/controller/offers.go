// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// offers is what the clouds would sell for the newest spec.
type offers struct {
	list []serve.Offer
	// known is false until every cloud has answered once for the present spec.
	known     bool
	asking    bool
	refreshAt time.Time
	failures  int
}

// offersLifetime is for how long prices are believed.
const offersLifetime = 5 * time.Minute

// lostCloud is how many times in a row offers cannot be had before those of a cloud
// that does not answer are not believed any more.
const lostCloud = 3

// refreshOffers asks the clouds for offers that satisfy the newest spec.
func (l *loop) refreshOffers() {
	if l.offers.asking {
		return
	}
	l.offers.asking, l.offers.refreshAt = true, time.Time{}
	revision, resources, clouds := l.state.Revision, l.state.Spec.Resources, l.clouds()
	l.background(func() func() {
		list, err := l.askOffers(resources, clouds)
		return func() {
			l.offers.asking = false
			if revision != l.state.Revision {
				l.refreshOffers()
				return
			}
			if err != nil {
				// What some clouds offer is better than nothing; the rest is asked again soon.
				l.offers.failures++
				l.offers.refreshAt = now().Add(backoff(l.offers.failures, time.Second, time.Minute))
				if l.offers.failures == 1 {
					l.note(serve.EventError, 0, "Some offers could not be had: %v", err)
				}
			} else {
				l.offers.failures = 0
				l.offers.refreshAt = now().Add(offersLifetime)
			}
			// What a cloud has offered is believed for a while when it does not answer. Then
			// it is as if it were lost: whatever is launched is launched elsewhere.
			if err == nil || !l.offers.known || l.offers.failures >= lostCloud && len(list) > 0 {
				l.offers.list = list
			}
			l.offers.known, l.dirty = true, true
		}
	})
}

// fit reports whether anything that is offered could run a replica, as far as
// that is known.
func (o offers) fit(spec serve.Spec) bool {
	if !o.known || o.failures > 0 || spec.ReplicaPolicy.MaxReplicas == 0 {
		return true
	}
	wanted := serve.OnDemand
	if spec.Resources.Entries()[0].Spot() {
		wanted = serve.Spot
	}
	return slices.ContainsFunc(o.list, func(o serve.Offer) bool {
		return o.Market == wanted || spec.ReplicaPolicy.UsesFallback()
	})
}

// describeResources names what the resources ask of a machine.
func describeResources(resources serve.Resources) string {
	var alternatives []string
	for _, r := range resources.Entries() {
		var asks []string
		add := func(name, value string) {
			if value != "" {
				asks = append(asks, name+" = "+value)
			}
		}
		if where := r.Location(); where != (serve.Location{}) {
			add("infra", where.String())
		}
		add("instance_type", r.InstanceType)
		add("cpus", r.CPUs)
		add("memory", r.Memory)
		add("accelerators", r.Accelerators)
		if r.Spot() {
			add("use_spot", "true")
		}
		if r.MaxHourlyCost > 0 {
			add("max_hourly_cost", strconv.FormatFloat(r.MaxHourlyCost, 'g', -1, 64))
		}
		alternatives = append(alternatives, strings.Join(asks, ", "))
	}
	return strings.Join(alternatives, "; or ")
}

// askOffers gives the offers for every entry of the resources, in a fixed order.
func (l *loop) askOffers(resources serve.Resources, clouds []serve.Cloud) ([]serve.Offer, error) {
	ctx, cancel := context.WithTimeout(l.ctx, askTimeout)
	defer cancel()
	return serve.Offers(ctx, resources, clouds)
}
