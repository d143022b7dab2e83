// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "slices"

func (k kind) describe(zone string) fields {
	disks := 128
	if k.shared {
		disks = 16
	}
	out := fields{
		"kind": "compute#machineType", "id": idOf("machineType", k.name), "name": k.name, "description": k.text, "guestCpus": k.cpus,
		"memoryMb": k.memoryMB, "imageSpaceGb": 0, "maximumPersistentDisks": disks, "maximumPersistentDisksSizeGb": 263168,
		"isSharedCpu": k.shared, "architecture": k.arch, "creationTimestamp": stamp(made()), "zone": zone,
		"selfLink": link(zonal(zone, "machineTypes", k.name)),
	}
	if k.gpus > 0 {
		out["accelerators"] = []fields{{"guestAcceleratorType": k.gpu, "guestAcceleratorCount": k.gpus}}
	}
	return out
}

// offer is that a zone has a type.
type offer struct {
	kind kind
	zone string
}

func offers(zones ...string) []offer {
	var out []offer
	for _, zone := range zones {
		for _, k := range kinds() {
			if k.offered(zone) {
				out = append(out, offer{k, zone})
			}
		}
	}
	return out
}

func (o offer) describe() fields { return o.kind.describe(o.zone) }

func listMachineTypes(c *call, _ fields) (fields, error) {
	return listed(c, "compute#machineTypeList", "MachineType", offers(c.param("zone")), offer.describe)
}

func aggregateMachineTypes(c *call, _ fields) (fields, error) {
	return aggregated(c, "compute#machineTypeAggregatedList", "MachineType", "machineTypes", offers(zoneNames()...),
		func(o offer) string { return o.zone }, offer.describe)
}

func getMachineType(c *call, _ fields) (fields, error) {
	zone, name := c.param("zone"), c.param("machineType")
	k, ok := kindNamed(name)
	if !ok || !k.offered(zone) {
		return nil, notFound(zonal(zone, "machineTypes", name))
	}
	return k.describe(zone), nil
}

func (g gpu) describe(zone string) fields {
	return fields{
		"kind": "compute#acceleratorType", "id": idOf("acceleratorType", g.name), "name": g.name, "description": g.text,
		"maximumCardsPerInstance": g.most, "creationTimestamp": stamp(made()), "zone": link("projects/" + Project + "/zones/" + zone),
		"selfLink": link(zonal(zone, "acceleratorTypes", g.name)),
	}
}

func listAcceleratorTypes(c *call, _ fields) (fields, error) {
	zone := c.param("zone")
	list := slices.DeleteFunc(gpus(), func(g gpu) bool { return !g.offered(zone) })
	return listed(c, "compute#acceleratorTypeList", "AcceleratorType", list, func(g gpu) fields { return g.describe(zone) })
}

func getAcceleratorType(c *call, _ fields) (fields, error) {
	zone, name := c.param("zone"), c.param("acceleratorType")
	g, ok := gpuNamed(name)
	if !ok || !g.offered(zone) {
		return nil, notFound(zonal(zone, "acceleratorTypes", name))
	}
	return g.describe(zone), nil
}
