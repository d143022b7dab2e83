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
)

// spotLifetime is for how long spot prices are believed, which move within hours.
const spotLifetime = 5 * time.Minute

// linux is the product that spot prices are asked for.
const linux = "Linux/UNIX"

// spotPricesOf gives what spot machines of some types cost now, in US dollars per
// hour, by type and zone.
func (s *site) spotPricesOf(ctx context.Context, names []string) (map[string]map[string]float64, error) {
	return s.catalog.spot.Of(ctx, spotLifetime, names, s.askSpotPrices)
}

// askSpotPrices asks for the prices that are in force.
func (s *site) askSpotPrices(ctx context.Context, names []string) (map[string]map[string]float64, error) {
	found := make(map[string]map[string]float64, len(names))
	types := make([]ec2types.InstanceType, len(names))
	for i, name := range names {
		types[i], found[name] = ec2types.InstanceType(name), map[string]float64{}
	}
	now, newest := time.Now(), map[string]time.Time{}
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(s.ec2, &ec2.DescribeSpotPriceHistoryInput{
		InstanceTypes: types, ProductDescriptions: []string{linux}, StartTime: aws.Time(now), EndTime: aws.Time(now),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking for spot prices in %s: %w", s.region, meaning(err))
		}
		for _, p := range page.SpotPriceHistory {
			price, err := strconv.ParseFloat(aws.ToString(p.SpotPrice), 64)
			if err != nil {
				return nil, fmt.Errorf("reading a spot price in %s: %w", s.region, err)
			}
			zone, of := aws.ToString(p.AvailabilityZone), found[string(p.InstanceType)]
			pool := zone + " " + string(p.InstanceType)
			if since := aws.ToTime(p.Timestamp); of != nil && !since.Before(newest[pool]) {
				of[zone], newest[pool] = price, since
			}
		}
	}
	return found, nil
}

// regularPricesOf gives what on-demand machines of some types cost in the region,
// in US dollars per hour; 0 for one that has no price.
func (s *site) regularPricesOf(ctx context.Context, names []string) (map[string]float64, error) {
	return s.catalog.regular.Of(ctx, catalogLifetime, names, func(ctx context.Context, names []string) (map[string]float64, error) {
		found := make(map[string]float64, len(names))
		for _, name := range names {
			price, err := s.askRegularPrice(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("asking for the price of %s in %s: %w", name, s.region, err)
			}
			found[name] = price
		}
		return found, nil
	})
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
	return s.catalog.zones.Of(ctx, catalogLifetime, names, s.askZones)
}

func (s *site) askZones(ctx context.Context, names []string) (map[string][]string, error) {
	found := make(map[string][]string, len(names))
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(s.ec2, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone,
		Filters:      []ec2types.Filter{{Name: aws.String("instance-type"), Values: names}},
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
	for _, zones := range found {
		slices.Sort(zones)
	}
	return found, nil
}
