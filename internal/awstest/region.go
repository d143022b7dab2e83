// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"fmt"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// region is a place of its own: nothing in it is seen from another.
type region struct {
	name      string
	vpc       string
	zones     []zone
	groups    []*group
	instances []*instance // in the order of their launch
	volumes   []*volume
	spots     []*spotRequest
	templates []*template
	addresses []*address
	scaling   []*scalingGroup
	launches  map[string]*launched // by client token
	limits    cloudtest.Limits
	prices    map[string][]price // by zone and type, oldest first
	quotas    map[string]int
	hosts     int // how many addresses were given away
}

// price is what a pool of spot instances cost from a moment on, in US dollars
// an hour.
type price struct {
	from time.Time
	usd  float64
}

func (a *AWS) newRegion(name string) *region {
	r := &region{
		name: name, vpc: "vpc-0" + hex16(a.random.Uint64()),
		launches: map[string]*launched{}, prices: map[string][]price{}, quotas: map[string]int{},
	}
	short, _, _ := place(name)
	for i, letter := range []string{"a", "b", "c"} {
		r.zones = append(r.zones, zone{
			name: name + letter,
			// As in an account whose letters AWS has dealt in another order.
			id:     fmt.Sprintf("%s-az%d", short, []int{4, 6, 1}[i]),
			subnet: "subnet-0" + hex16(a.random.Uint64()),
			block:  fmt.Sprintf("172.31.%d.0/20", i*16),
		})
	}
	r.groups = []*group{{
		id: a.id("sg"), name: "default", description: "default VPC security group", made: time.Now().AddDate(-1, 0, 0),
	}}
	r.groups[0].rules = []rule{{protocol: "-1", group: r.groups[0].id, id: a.id("sgr")}}
	for _, k := range kinds() {
		for _, z := range r.zones {
			if k.offered(z) {
				from := time.Now().Add(-time.Duration(hash(z.name, k.name)%96) * time.Hour)
				r.prices[z.name+" "+k.name] = []price{{from: from, usd: k.spotPrice(name, z)}}
			}
		}
	}
	return r
}

func (r *region) zone(match func(zone) bool) (zone, bool) {
	i := slices.IndexFunc(r.zones, match)
	if i < 0 {
		return zone{}, false
	}
	return r.zones[i], true
}

func (r *region) zoneNamed(name string) (zone, bool) {
	return r.zone(func(z zone) bool { return z.name == name })
}

func (r *region) instance(id string) *instance {
	i := slices.IndexFunc(r.instances, func(i *instance) bool { return i.id == id })
	if i < 0 {
		return nil
	}
	return r.instances[i]
}

// spotNow is the price of a pool of spot instances, 0 where there are none.
func (r *region) spotNow(zone, kind string, now time.Time) float64 {
	history := r.prices[zone+" "+kind]
	for _, p := range slices.Backward(history) {
		if !p.from.After(now) {
			return p.usd
		}
	}
	return 0
}

// address is the next private address of a subnet.
func (r *region) address(z zone) (private, public string) {
	r.hosts++
	at := slices.IndexFunc(r.zones, func(o zone) bool { return o.name == z.name })
	n := r.hosts + 3 // the first ones are AWS' own
	return fmt.Sprintf("172.31.%d.%d", at*16+n/256%16, n%256), fmt.Sprintf("198.%d.%d.%d", 18+n/65536%2, n/256%256, n%256)
}
