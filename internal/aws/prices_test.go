// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import "testing"

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
