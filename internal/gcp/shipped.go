// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

//go:embed prices.json
var shippedPrices []byte

// shipped gives the prices that come with the program, and of when they are. They are
// those of Iowa, and by how much each region is dearer, and what a spot machine costs of
// an on-demand one as a rule: good enough to choose by while Google does not say better.
func shipped() (list priceList, date string, err error) {
	var table struct {
		AsOf string  `json:"as_of"`
		Spot float64 `json:"spot"`
		// Series has the price of a processor and of a GiB of memory.
		Series       map[string][2]float64 `json:"series"`
		Accelerators map[string]float64    `json:"accelerators"`
		Regions      map[string]float64    `json:"regions"`
	}
	if err := json.Unmarshal(shippedPrices, &table); err != nil {
		return nil, "", fmt.Errorf("reading the prices that come with the program: %w", err)
	}
	list = priceList{}
	for region, factor := range table.Regions {
		for market, share := range map[serve.Market]float64{serve.OnDemand: 1, serve.Spot: table.Spot} {
			for of, price := range table.Series {
				list.put(region, market, part{"core", of}, price[0]*factor*share)
				list.put(region, market, part{"ram", of}, price[1]*factor*share)
			}
			for of, price := range table.Accelerators {
				list.put(region, market, part{"gpu", of}, price*factor*share)
			}
		}
	}
	return list, table.AsOf, nil
}
