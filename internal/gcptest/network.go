// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// networkName is that of the only network, which every project has at first: one with
// a subnet in each region.
const networkName = "default"

// fingerprint is what a change must name to show that it was made of what there is.
func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// subnetBlock gives the first two parts of the addresses of the subnet of a region.
func subnetBlock(region string) string {
	switch region {
	case "us-central1":
		return "10.128"
	case "us-east1":
		return "10.142"
	}
	return "10.164"
}

func networkPath() string { return global("networks", networkName) }

func subnetPath(region string) string { return regional(region, "subnetworks", networkName) }

func describeNetwork(string) fields {
	var subnets []string
	for _, region := range regionNames() {
		subnets = append(subnets, link(subnetPath(region)))
	}
	return fields{
		"kind": "compute#network", "id": idOf("network"), "name": networkName, "description": "Default network for the project",
		"autoCreateSubnetworks": true, "subnetworks": subnets, "creationTimestamp": stamp(made()), "selfLink": link(networkPath()),
		"routingConfig": fields{"routingMode": "REGIONAL"}, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
	}
}

func listNetworks(c *call, _ fields) (fields, error) {
	return listed(c, "compute#networkList", "Network", []string{networkName}, describeNetwork)
}

func getNetwork(c *call, _ fields) (fields, error) {
	if name := c.param("network"); name != networkName {
		return nil, notFound(global("networks", name))
	}
	return describeNetwork(networkName), nil
}

func describeSubnetwork(region string) fields {
	block := subnetBlock(region)
	return fields{
		"kind": "compute#subnetwork", "id": idOf("subnetwork", region), "name": networkName, "network": link(networkPath()),
		"region": link("projects/" + Project + "/regions/" + region), "ipCidrRange": block + ".0.0/20", "gatewayAddress": block + ".0.1",
		"creationTimestamp": stamp(made()), "selfLink": link(subnetPath(region)), "privateIpGoogleAccess": false,
		"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "fingerprint": fingerprint("subnetwork", region),
	}
}

func listSubnetworks(c *call, _ fields) (fields, error) {
	return listed(c, "compute#subnetworkList", "Subnetwork", []string{c.param("region")}, describeSubnetwork)
}

func getSubnetwork(c *call, _ fields) (fields, error) {
	if name := c.param("subnetwork"); name != networkName {
		return nil, notFound(regional(c.param("region"), "subnetworks", name))
	}
	return describeSubnetwork(c.param("region")), nil
}

// host gives the next addresses of a region: one of its subnet, and one of the world.
func (c *call) host(region string) (private, public string) {
	c.compute.hosts++
	n := c.compute.hosts + 1 // the first ones are Google's own
	at := slices.Index(regionNames(), region)
	return fmt.Sprintf("%s.%d.%d", subnetBlock(region), n/256%16, n%256), fmt.Sprintf("198.%d.%d.%d", 18+n/65536%2, 64*at+n/256%64, n%256)
}
