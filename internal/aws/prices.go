// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// spotLifetime is for how long spot prices are believed, which move within hours.
const spotLifetime = 5 * time.Minute

// linux is the product that spot prices are asked for.
const linux = "Linux/UNIX"

// spotPrices are the prices of some types in each zone, in US dollars per hour.
type spotPrices map[string]spotPrice

type spotPrice struct {
	zones map[string]float64
	until time.Time
}

// spotPricesOf gives what spot machines of some types cost now, by type and zone.
func (s *site) spotPricesOf(ctx context.Context, names []string) (map[string]map[string]float64, error) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	now := time.Now()
	var missing []ec2types.InstanceType
	for _, name := range names {
		if now.After(s.catalog.spot[name].until) {
			missing = append(missing, ec2types.InstanceType(name))
		}
	}
	if len(missing) > 0 {
		if err := s.askSpotPrices(ctx, missing, now); err != nil {
			return nil, err
		}
	}
	prices := make(map[string]map[string]float64, len(names))
	for _, name := range names {
		prices[name] = s.catalog.spot[name].zones
	}
	return prices, nil
}

// askSpotPrices asks for the prices that were in force at a time. The caller holds
// the catalog's lock.
func (s *site) askSpotPrices(ctx context.Context, names []ec2types.InstanceType, at time.Time) error {
	found := make(spotPrices, len(names))
	for _, name := range names {
		found[string(name)] = spotPrice{zones: map[string]float64{}, until: at.Add(spotLifetime)}
	}
	newest := map[string]time.Time{}
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(s.ec2, &ec2.DescribeSpotPriceHistoryInput{
		InstanceTypes: names, ProductDescriptions: []string{linux}, StartTime: aws.Time(at), EndTime: aws.Time(at),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("asking for spot prices in %s: %w", s.region, meaning(err))
		}
		for _, p := range page.SpotPriceHistory {
			price, err := strconv.ParseFloat(aws.ToString(p.SpotPrice), 64)
			if err != nil {
				return fmt.Errorf("reading a spot price in %s: %w", s.region, err)
			}
			zone, of := aws.ToString(p.AvailabilityZone), found[string(p.InstanceType)]
			pool := zone + " " + string(p.InstanceType)
			if since := aws.ToTime(p.Timestamp); of.zones != nil && !since.Before(newest[pool]) {
				of.zones[zone], newest[pool] = price, since
			}
		}
	}
	if s.catalog.spot == nil {
		s.catalog.spot = spotPrices{}
	}
	for name, price := range found {
		s.catalog.spot[name] = price
	}
	return nil
}

// regularPrice gives what an on-demand machine of a type costs in the region; 0 for
// one that has no price.
func (s *site) regularPrice(ctx context.Context, name string) (float64, error) {
	s.catalog.mu.Lock()
	price, known := s.catalog.regular[name]
	s.catalog.mu.Unlock()
	if known {
		return price, nil
	}
	price, err := s.askRegularPrice(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("asking for the price of %s in %s: %w", name, s.region, err)
	}
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	s.catalog.regular[name] = price
	return price, nil
}

func (s *site) askRegularPrice(ctx context.Context, name string) (float64, error) {
	var by []types.Filter
	for _, f := range [][2]string{
		{"regionCode", s.region}, {"instanceType", name}, {"operatingSystem", "Linux"}, {"tenancy", "Shared"},
		{"preInstalledSw", "NA"}, {"capacitystatus", "Used"},
	} {
		by = append(by, types.Filter{Type: types.FilterTypeTermMatch, Field: aws.String(f[0]), Value: aws.String(f[1])})
	}
	out, err := s.prices.GetProducts(ctx, &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), Filters: by})
	if err != nil {
		return 0, meaning(err)
	}
	for _, text := range out.PriceList {
		price, err := regularPriceOf(text)
		if err != nil || price > 0 {
			return price, err
		}
	}
	return 0, nil
}

// priceList is what of an entry of the price list matters here.
type priceList struct {
	Terms struct {
		OnDemand map[string]struct {
			PriceDimensions map[string]struct {
				Unit         string            `json:"unit"`
				PricePerUnit map[string]string `json:"pricePerUnit"`
			} `json:"priceDimensions"`
		} `json:"OnDemand"`
	} `json:"terms"`
}

// regularPriceOf reads an entry of the price list.
func regularPriceOf(text string) (float64, error) {
	var p priceList
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return 0, fmt.Errorf("reading the price list: %w", err)
	}
	for _, term := range p.Terms.OnDemand {
		for _, d := range term.PriceDimensions {
			price, err := strconv.ParseFloat(d.PricePerUnit["USD"], 64)
			if err == nil && price > 0 && strings.EqualFold(d.Unit, "Hrs") {
				return price, nil
			}
		}
	}
	return 0, nil
}

// zonesOf gives the zones of the region that have some types, for each type.
func (s *site) zonesOf(ctx context.Context, names []string) (map[string][]string, error) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	var missing []string
	for _, name := range names {
		if _, ok := s.catalog.zones[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		found := map[string][]string{}
		pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(s.ec2, &ec2.DescribeInstanceTypeOfferingsInput{
			LocationType: ec2types.LocationTypeAvailabilityZone,
			Filters:      []ec2types.Filter{{Name: aws.String("instance-type"), Values: missing}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("asking which zones of %s have which types of instances: %w", s.region, meaning(err))
			}
			for _, o := range page.InstanceTypeOfferings {
				found[string(o.InstanceType)] = append(found[string(o.InstanceType)], aws.ToString(o.Location))
			}
		}
		for _, name := range missing {
			slices.Sort(found[name])
			s.catalog.zones[name] = found[name]
		}
	}
	zones := make(map[string][]string, len(names))
	for _, name := range names {
		zones[name] = s.catalog.zones[name]
	}
	return zones, nil
}

// marketPrice is a price that an offer is made at; ok is false when there is none.
func marketPrice(m serve.Market, spot map[string]float64, zone string, regular float64) (price float64, ok bool) {
	if m == serve.Spot {
		price, ok = spot[zone]
		return price, ok
	}
	return regular, regular > 0
}
