// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// pricePause is how long Google is left alone that has not told its prices.
const pricePause = time.Hour

// priceList has what each part of a machine costs by the hour, in US dollars.
type priceList map[tariff]rates

// tariff is what a part has a price in.
type tariff struct {
	region string
	market serve.Market
}

func (l priceList) put(region string, market serve.Market, p part, price float64) {
	at := tariff{region, market}
	if l[at] == nil {
		l[at] = rates{}
	}
	l[at][p] = price
}

// of gives what machines of some types cost in a region, without their disks. The price
// of a spot machine is the same in all zones.
func (l priceList) of(region string, types []fleet.Type, zones map[string][]string) fleet.Prices {
	p := fleet.Prices{Spot: map[string]map[string]float64{}, Regular: map[string]float64{}}
	for _, t := range types {
		p.Regular[t.Name], _ = l[tariff{region, serve.OnDemand}].of(t)
		spot, sold := l[tariff{region, serve.Spot}].of(t)
		for _, zone := range zones[t.Name] {
			if p.Spot[t.Name] == nil {
				p.Spot[t.Name] = map[string]float64{}
			}
			if sold {
				p.Spot[t.Name][zone] = spot
			}
		}
	}
	return p
}

// rates are what the parts of machines cost by the hour.
type rates map[part]float64

// of gives what a machine costs; false if it is not sold so.
func (r rates) of(t fleet.Type) (float64, bool) {
	series := seriesOf(t.Name)
	if _, dearer := r[part{"core", series + " custom"}]; dearer && isCustom(t.Name) {
		series += " custom"
	}
	core, ram := r[part{"core", series}], r[part{"ram", series}]
	price := core*billed(t) + ram*t.Memory
	if core == 0 || ram == 0 {
		return 0, false
	}
	if t.Accelerators == "" {
		return price, true
	}
	name, count, err := serve.ParseAccelerators(t.Accelerators)
	each := r[part{"gpu", name}]
	return price + each*count, err == nil && each > 0
}

// pricing is the price list as Google has told it last.
type pricing struct {
	now fleet.Answers[priceList]
	// told and at are touched only by whoever has the turn to ask.
	told priceList
	at   time.Time
}

// prices gives the price list. Where Google does not tell it, which the API of billing
// has to be enabled for, it is an older one, or the one that comes with the program.
func (j *joined) prices(ctx context.Context) (priceList, error) {
	p := &j.pricing
	return p.now.One(ctx, pricePause, "", func(ctx context.Context) (priceList, error) {
		if time.Since(p.at) < catalogLifetime {
			return p.told, nil
		}
		list, err := j.askPrices(ctx)
		switch {
		case err == nil:
			p.told, p.at = list, time.Now()
			return list, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case p.told != nil:
			j.log.WarnContext(ctx, "Google does not tell its prices; those that it has told before are used", "of", p.at, "error", err)
			return p.told, nil
		}
		list, date, fault := shipped()
		if fault != nil {
			return nil, fault
		}
		j.log.WarnContext(ctx, "Google does not tell its prices; those that come with the program are used, which are estimates", "of", date, "error", err)
		return list, nil
	})
}
