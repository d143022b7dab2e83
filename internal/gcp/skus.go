// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/googleapi"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// computeSKUs is Compute Engine in the price list of Google Cloud.
	computeSKUs = "services/6F81-5844-456A"
	// skusPage is how many entries of it are asked for at a time, which is the most.
	skusPage = 5000
)

// part is what machines are paid for by: a processor of a series, a GiB of its memory,
// or an accelerator.
type part struct {
	kind string // "core", "ram" or "gpu"
	// of is a series, a series made to measure ("n2 custom"), or an accelerator's name.
	of string
}

// askPrices reads the price list.
func (j *joined) askPrices(ctx context.Context) (priceList, error) {
	list := priceList{}
	err := j.services.billing.Services.Skus.List(computeSKUs).CurrencyCode("USD").PageSize(skusPage).
		Fields(googleapi.Field("nextPageToken"), googleapi.Field("skus(description,category,serviceRegions,pricingInfo(pricingExpression(usageUnit,tieredRates)))")).
		Pages(ctx, func(page *cloudbilling.ListSkusResponse) error {
			for _, sku := range page.Skus {
				list.read(sku)
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("asking for the prices of Google Cloud: %w", meaning(err))
	}
	return list, nil
}

// read takes in an entry of the price list, if it is one of those that machines are
// paid for by the hour.
func (l priceList) read(sku *cloudbilling.Sku) {
	if sku.Category == nil || len(sku.PricingInfo) == 0 || sku.PricingInfo[0].PricingExpression == nil {
		return
	}
	market := map[string]serve.Market{"OnDemand": serve.OnDemand, "Preemptible": serve.Spot}[sku.Category.UsageType]
	p, ok := partOf(sku.Description, sku.Category.ResourceGroup)
	how := sku.PricingInfo[0].PricingExpression
	unit := map[string]string{"core": "h", "ram": "GiBy.h", "gpu": "h"}[p.kind]
	if !ok || market == "" || how.UsageUnit != unit || len(how.TieredRates) == 0 {
		return
	}
	price := how.TieredRates[len(how.TieredRates)-1].UnitPrice
	if price == nil {
		return
	}
	for _, region := range sku.ServiceRegions {
		l.put(region, market, p, float64(price.Units)+float64(price.Nanos)/1e9)
	}
}

// partOf reads what an entry is for out of its description, which is the only place
// that says: "Spot Preemptible N2D AMD Custom Instance Core running in Americas".
func partOf(description, group string) (part, bool) {
	text := strings.TrimPrefix(description, "Spot Preemptible ")
	text, _, running := strings.Cut(text, " running in ")
	text, _, _ = strings.Cut(text, " attached to ")
	if !running {
		return part{}, false
	}
	if group == "GPU" {
		sku := strings.TrimSuffix(text, " GPU")
		i := slices.IndexFunc(gpus(), func(g gpu) bool { return g.sku == sku })
		if i < 0 {
			return part{}, false
		}
		return part{"gpu", gpus()[i].name}, true
	}
	var p part
	for _, kind := range []string{"core", "ram"} {
		if rest, ok := strings.CutSuffix(text, " "+strings.ToUpper(kind[:1])+kind[1:]); ok {
			p.kind, text = kind, rest
		}
	}
	// "Custom Instance Core" is the series N1, and of no other the name is left out.
	text = " " + strings.TrimSuffix(text, " Instance")
	text, measured := strings.CutSuffix(text, " Custom")
	for _, maker := range []string{" AMD", " Arm", " Predefined"} {
		text = strings.TrimSuffix(text, maker)
	}
	switch text = strings.TrimSpace(text); {
	case p.kind == "" || text == "" && !measured:
		return part{}, false
	case text == "":
		p.of = "n1"
	case text == "Compute optimized":
		p.of = "c2"
	case strings.Contains(text, " "):
		return part{}, false // "Sole Tenancy Premium for …", "Reserved …"
	default:
		p.of = strings.ToLower(text)
	}
	if measured {
		p.of += " custom"
	}
	return p, true
}
