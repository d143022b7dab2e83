// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestTheCheapestAreOfferedAndAnOnDemandOneInAnyCase(t *testing.T) {
	t.Parallel()
	var fit []Type
	spot, regular := map[string]map[string]float64{}, map[string]float64{}
	for i, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		fit = append(fit, Type{Name: name, Markets: []serve.Market{serve.Spot, serve.OnDemand}})
		spot[name] = map[string]float64{"zone": 1 + float64(i)}
		regular[name] = 20 - float64(i)
	}
	var names string
	for _, m := range cheapest(fit, Prices{spot, regular}) {
		names += m.Name
	}
	if names != "abcdeh" {
		t.Errorf("got %s, want the five cheapest of the spot market, and the cheapest regular one", names)
	}
}
