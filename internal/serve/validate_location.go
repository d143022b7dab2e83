// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"slices"
	"strings"
)

// Clouds lists the clouds there are, by the names they have in locations.
func Clouds() []string { return []string{"local", "kubernetes", "aws", "gcp"} }

// locationFields lists the fields that say where a machine may be.
func locationFields() []string { return []string{"infra", "cloud", "region", "zone"} }

// validateLocation checks how a place is written, whatever is inherited.
func (r Resource) validateLocation(es *FieldErrors, at string) {
	if r.Infra == "" {
		if r.Cloud != "" && !slices.Contains(Clouds(), canonicalCloud(r.Cloud)) {
			es.oneOf(at+".cloud", r.Cloud, Clouds())
		}
		return
	}
	if r.Cloud != "" || r.Region != "" || r.Zone != "" {
		es.add(at+".infra", []string{at + ".cloud", at + ".region", at + ".zone"}, "infra excludes cloud, region and zone, which say the same: write only infra %q.",
			Location{Cloud: canonicalCloud(r.Cloud), Region: r.Region, Zone: r.Zone})
		return
	}
	parts := strings.Split(r.Infra, "/")
	cloud := canonicalCloud(parts[0])
	switch {
	case slices.Contains(parts, ""):
		es.add(at+".infra", nil, "%q has an empty part; write cloud, cloud/region or cloud/region/zone, with \"*\" for any.", r.Infra)
	case cloud != "*" && !slices.Contains(Clouds(), cloud):
		es.oneOf(at+".infra", parts[0], Clouds())
	// What follows kubernetes is the name of a context, which may have slashes.
	case len(parts) > 3 && cloud != "kubernetes":
		es.add(at+".infra", nil, "%q has too many parts; write cloud, cloud/region or cloud/region/zone.", r.Infra)
	}
}

// validateHeritage refuses a region or zone whose cloud stands in the other
// spelling: it would not be inherited.
func (a alternative) validateHeritage(es *FieldErrors, outer Resource) {
	if outer.Infra == "" || a.own.Infra != "" || a.own.Cloud != "" || a.own.Region == "" && a.own.Zone == "" {
		return
	}
	field := "region"
	if a.own.Region == "" {
		field = "zone"
	}
	es.add(a.path+"."+field, []string{a.path + ".infra", a.path + ".cloud", "resources.infra"}, "The outer infra, %q, is not combined with a %s; write infra %q here.", outer.Infra, field,
		Location{Cloud: ParseLocation(outer.Infra).Cloud, Region: a.own.Region, Zone: a.own.Zone})
}

// validatePlace refuses a region that its cloud cannot have and a zone that is
// not in its region. Whether they exist is for the cloud to say.
func (a alternative) validatePlace(es *FieldErrors) {
	place := a.Location()
	if place.Cloud != "aws" && place.Cloud != "gcp" {
		return
	}
	region, zone := a.at("region", a.own.Region != ""), a.at("zone", a.own.Zone != "")
	if a.Infra != "" {
		region = a.at("infra", a.own.Infra != "")
		zone = region
	}
	switch {
	case place.Region != "" && namingCloud(place.Region) != place.Cloud:
		es.add(region, relatedTo(region, locationFields()...), "%q is not a region of %s, whose regions have names like %q.", place.Region, place.Cloud, exampleRegion(place.Cloud))
	case place.Zone != "" && !strings.HasPrefix(place.Zone, place.Region):
		es.add(zone, relatedTo(zone, locationFields()...), "The zone %q is not in the region %q.", place.Zone, place.Region)
	}
}

// namingCloud tells by its form whose region a name is: AWS writes us-east-1
// and GCP us-east1.
func namingCloud(region string) string {
	stem := strings.TrimRightFunc(region, isDigit)
	switch {
	case stem == region || !strings.Contains(stem, "-"):
		return ""
	case strings.HasSuffix(stem, "-"):
		return "aws"
	default:
		return "gcp"
	}
}

func exampleRegion(cloud string) string {
	if cloud == "gcp" {
		return "us-east1"
	}
	return "us-east-1"
}
