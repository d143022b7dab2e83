// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Offers gives one offer for each zone, node pool and market with a node that
// has, when it is empty, what r asks for: the cheapest first. Nodes with
// accelerators come last among equals when none are asked for.
func (c *Cloud) Offers(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	a, err := askOf(r)
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing offers: %w", err)
	}
	s, w, leave, err := c.join(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing offers: %w", err)
	}
	defer leave()
	offers := c.o.offersOf(a, c.region(s), c.candidates(w))
	return slices.DeleteFunc(offers, func(o serve.Offer) bool {
		return !r.Location().Contains(o.Location) || r.MaxHourlyCost > 0 && o.Price > r.MaxHourlyCost
	}), nil
}

// offersOf is what the nodes have to offer to the one who asks.
func (o CloudOptions) offersOf(a ask, region string, nodes []*corev1.Node) []serve.Offer {
	found := make(map[string]serve.Offer)
	spare := make(map[string]bool) // pools of which a node has no accelerators
	for _, n := range nodes {
		p := o.placeOf(n)
		if !a.fits(n, p.market) {
			continue
		}
		offer := serve.Offer{
			Location:     serve.Location{Cloud: cloudName, Region: region, Zone: p.zone},
			Market:       p.market,
			InstanceType: a.instanceType(),
			Price:        a.price(n),
			CPUs:         a.cpus,
			Memory:       a.memory,
			Accelerators: a.accelerators(),
		}
		if before, ok := found[offer.Key()]; !ok || offer.Price < before.Price {
			found[offer.Key()] = offer
		}
		spare[offer.Key()] = spare[offer.Key()] || !hasAccelerators(n)
	}
	var offers []serve.Offer
	for _, offer := range found {
		offers = append(offers, offer)
	}
	rank := func(o serve.Offer) int {
		if a.count > 0 || spare[o.Key()] {
			return 0
		}
		return 1
	}
	slices.SortFunc(offers, func(x, y serve.Offer) int {
		// "spot" is after "on_demand" in the alphabet, and before it here.
		return cmp.Or(cmp.Compare(x.Price, y.Price), cmp.Compare(rank(x), rank(y)),
			cmp.Compare(y.Market, x.Market), cmp.Compare(x.Location.Zone, y.Location.Zone))
	})
	return offers
}

func hasAccelerators(n *corev1.Node) bool {
	for _, r := range acceleratorResources() {
		if q := n.Status.Allocatable[r]; !q.IsZero() {
			return true
		}
	}
	return false
}

// price is the node's price times the share of it that is asked for, which is
// that of its scarcest part. Nodes cost nothing unless a label says so.
func (a ask) price(n *corev1.Node) float64 {
	price, err := strconv.ParseFloat(n.Labels[labelPrice], 64)
	if err != nil || price <= 0 {
		return 0
	}
	has := n.Status.Allocatable
	share := max(a.cpus/has.Cpu().AsApproximateFloat64(), a.memory*gib/has.Memory().AsApproximateFloat64())
	if a.count > 0 {
		if r, _, ok := a.device(n); ok {
			have := has[r]
			share = max(share, float64(a.count)/have.AsApproximateFloat64())
		}
	}
	return price * min(share, 1)
}

// pools remembers a node of every pool that was ever seen. A pool without a node
// is still one that may be asked: its autoscaler makes nodes when pods wait.
type pools map[string]*corev1.Node

// candidates gives the nodes that may be used, and one node in the place of each
// pool that has none now. They are in a fixed order.
func (c *Cloud) candidates(w *watching) []*corev1.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pools == nil {
		c.pools = make(pools)
	}
	var all []*corev1.Node
	alive := make(map[string]bool)
	for _, n := range w.allNodes() {
		if !hasLabels(n, c.o.Nodes) {
			continue
		}
		key := c.o.kindOf(n)
		alive[key] = true
		c.pools[key] = n
		all = append(all, n)
	}
	for key, n := range c.pools {
		if !alive[key] {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// kindOf names the nodes that are alike.
func (o CloudOptions) kindOf(n *corev1.Node) string {
	p := o.placeOf(n)
	words := []string{p.zone, string(p.market)}
	for _, key := range acceleratorLabels() {
		words = append(words, n.Labels[key])
	}
	_, lasting := o.blockers(n)
	return strings.Join(append(words, lasting...), "|")
}

// target is where a pod may go.
type target struct {
	terms  []corev1.NodeSelectorTerm
	device corev1.ResourceName
}

// targetOf finds the nodes of the offer. A place that has none any more, and is
// not remembered, has no capacity.
func (c *Cloud) targetOf(a ask, offer serve.Offer, nodes []*corev1.Node) (target, error) {
	var t target
	seen := make(map[string]bool)
	for _, n := range nodes {
		p := c.o.placeOf(n)
		if p.zone != offer.Location.Zone || p.market != offer.Market || !a.fits(n, p.market) {
			continue
		}
		where := p.labels
		if a.count > 0 {
			device, l, _ := a.device(n)
			if t.device != "" && t.device != device {
				continue // a pod asks for one kind of device
			}
			t.device = device
			where = append(where, in(l.key, l.value))
		}
		for key, value := range c.o.Nodes {
			where = append(where, in(key, value))
		}
		slices.SortFunc(where, func(a, b corev1.NodeSelectorRequirement) int { return cmp.Compare(a.Key, b.Key) })
		if key := fmt.Sprint(where); !seen[key] {
			seen[key] = true
			t.terms = append(t.terms, corev1.NodeSelectorTerm{MatchExpressions: where})
		}
	}
	if len(t.terms) == 0 {
		return target{}, fmt.Errorf("%w: no node in %s sells %s machines of %s", serve.ErrCapacity, offer.Location, offer.Market, offer.InstanceType)
	}
	return t, nil
}
