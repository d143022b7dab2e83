// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Room is how many machines the quotas of a region leave.
type Room struct {
	Machines float64
	// By says in words which quota that is by, and what it allows.
	By string
}

// Measure notes how many machines of a market quotas leave in a region; known is
// false where there is a quota that is not known. What several entries may have in a
// region counts once.
func (f *Flight) Measure(region string, market serve.Market, r Room, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[market] == nil {
		f.rooms[market] = map[string]Room{}
	}
	if r.Machines >= f.rooms[market][region].Machines {
		f.rooms[market][region] = r
	}
	f.unknown[market] = f.unknown[market] || !known
}

// judgeRooms says where quotas leave fewer machines than there may be. Where they
// leave none in any market, no entry has a chance.
func (f *Flight) judgeRooms() {
	none := true
	var short []string
	for _, market := range f.Markets() {
		if f.unknown[market] || len(f.rooms[market]) == 0 {
			none = false
			continue
		}
		sum, quotas := 0.0, []string{}
		for _, region := range slices.Sorted(maps.Keys(f.rooms[market])) {
			sum += f.rooms[market][region].Machines
			quotas = append(quotas, f.rooms[market][region].By)
		}
		none = none && sum == 0
		if wanted := map[serve.Market]int{serve.Spot: f.Spot, serve.OnDemand: f.OnDemand}[market]; sum < float64(wanted) {
			short = append(short, fmt.Sprintf("There may be %d %s machines at a time, and the quotas of the %s leave room for %g of them at most: %s.",
				wanted, words(market), f.terms.Account, sum, strings.Join(quotas, "; ")))
		}
	}
	if len(short) > 0 {
		f.find(serve.AllEntries, "", none, "%s", strings.Join(short, " "))
	}
}
