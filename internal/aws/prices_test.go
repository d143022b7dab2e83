// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAnEntryOfThePriceList(t *testing.T) {
	t.Parallel()
	const entry = `{"product":{"attributes":{"instanceType":"m7i.large"}},"serviceCode":"AmazonEC2","terms":{"OnDemand":{"A.B":{"priceDimensions":{
		"A.B.C":{"unit":"Hrs","pricePerUnit":{"USD":"0.1008000000"}}}}},"Reserved":{"A.D":{"priceDimensions":{"A.D.E":{"unit":"Hrs","pricePerUnit":{"USD":"0.06"}}}}}}}`
	if price, err := regularPriceOf(entry); err != nil || price != 0.1008 {
		t.Errorf("got %v, %v", price, err)
	}
	if price, err := regularPriceOf(`{"terms":{"OnDemand":{"A":{"priceDimensions":{"B":{"unit":"Quantity","pricePerUnit":{"USD":"50"}}}}}}}`); err != nil || price != 0 {
		t.Errorf("what is not by the hour costs %v, %v", price, err)
	}
	if _, err := regularPriceOf("no price list"); err == nil {
		t.Error("nonsense has a price")
	}
}

func TestTheCheapestAreOfferedAndAnOnDemandOneInAnyCase(t *testing.T) {
	t.Parallel()
	var fit []machineType
	spot, regular := map[string]map[string]float64{}, map[string]float64{}
	for i, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		fit = append(fit, machineType{name: name, markets: []serve.Market{serve.Spot, serve.OnDemand}})
		spot[name] = map[string]float64{"zone": 1 + float64(i)}
		regular[name] = 20 - float64(i)
	}
	var names string
	for _, m := range cheapest(fit, prices{spot, regular}) {
		names += m.name
	}
	if names != "abcdeh" {
		t.Errorf("got %s, want the five cheapest of the spot market, and the cheapest regular one", names)
	}
}
