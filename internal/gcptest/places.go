// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

func regionNames() []string { return []string{"europe-west4", "us-central1", "us-east1"} }

// lettersOf are the zones of a region. Not every region has an a.
func lettersOf(region string) []string {
	switch region {
	case "us-east1":
		return []string{"b", "c", "d"}
	case "us-central1":
		return []string{"a", "b", "c", "f"}
	}
	return []string{"a", "b", "c"}
}

func zoneNames() []string {
	var out []string
	for _, region := range regionNames() {
		for _, letter := range lettersOf(region) {
			out = append(out, region+"-"+letter)
		}
	}
	return out
}

// regionOf is the region of a zone, or nothing if there is no such zone.
func regionOf(zone string) string {
	at := strings.LastIndex(zone, "-")
	if at < 0 || !slices.Contains(zoneNames(), zone) {
		return ""
	}
	return zone[:at]
}

// made is when everything was made that is Google's own.
func made() time.Time { return time.Date(2024, 3, 7, 20, 0, 0, 0, time.UTC) }

// idOf makes an id of names that is the same in every run.
func idOf(names ...string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(names, "/"))) // never fails
	return 1e18 + h.Sum64()%8e18
}

func getProject(c *call, _ fields) (fields, error) {
	return fields{
		"kind": "compute#project", "id": idOf("project"), "name": Project, "selfLink": link("projects/" + Project),
		"creationTimestamp": stamp(made()), "defaultServiceAccount": defaultAccount, "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
		"commonInstanceMetadata": fields{"kind": "compute#metadata", "fingerprint": fingerprint("project")},
		"defaultNetworkTier":     "PREMIUM", "quotas": c.projectQuotas(),
	}, nil
}

func (c *call) describeRegion(region string) fields {
	var zones []string
	for _, letter := range lettersOf(region) {
		zones = append(zones, link("projects/"+Project+"/zones/"+region+"-"+letter))
	}
	return fields{
		"kind": "compute#region", "id": idOf("region", region), "name": region, "description": region, "status": "UP",
		"creationTimestamp": stamp(made()), "selfLink": link("projects/" + Project + "/regions/" + region), "zones": zones,
		"quotas": c.regionQuotas(region),
	}
}

func listRegions(c *call, _ fields) (fields, error) {
	return listed(c, "compute#regionList", "Region", regionNames(), c.describeRegion)
}

func getRegion(c *call, _ fields) (fields, error) { return c.describeRegion(c.param("region")), nil }

func describeZone(zone string) fields {
	return fields{
		"kind": "compute#zone", "id": idOf("zone", zone), "name": zone, "description": zone, "status": "UP",
		"creationTimestamp": stamp(made()), "selfLink": link("projects/" + Project + "/zones/" + zone),
		"region":                link("projects/" + Project + "/regions/" + regionOf(zone)),
		"availableCpuPlatforms": []string{"AMD Milan", "Intel Cascade Lake", "Intel Ice Lake", "Intel Sapphire Rapids"},
	}
}

func listZones(c *call, _ fields) (fields, error) {
	return listed(c, "compute#zoneList", "Zone", zoneNames(), describeZone)
}

func getZone(c *call, _ fields) (fields, error) { return describeZone(c.param("zone")), nil }
