// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// compute is what Compute Engine has of the project.
type compute struct {
	instances  []*instance // in the order in which they were made
	disks      []*disk
	addresses  []*address
	firewalls  []*firewall
	operations []*operation
	requests   map[string]*operation // by the request's own id
	limits     cloudtest.Limits
	quotas     map[string]float64 // by region and metric
	hosts      int                // how many addresses were given away
}

func (g *GCP) newCompute() compute {
	return compute{requests: map[string]*operation{}, quotas: map[string]float64{}, firewalls: g.newFirewalls(time.Now())}
}

// endCompute ends every machine.
func (g *GCP) endCompute() {
	for _, i := range g.compute.instances {
		i.unplanned()
		if i.machine != nil {
			i.machine.Kill()
		}
		if text := i.console.Text(); text != "" && g.t.Failed() {
			g.t.Logf("the serial console of instance %s:\n%s", i.plan.name, text)
		}
	}
	for _, a := range g.compute.addresses {
		a.part()
		a.way.Close()
	}
}

// computeMethods are what there is of Compute Engine. All are asked of a project, and
// most of a place.
func computeMethods() map[string]handler {
	methods := map[string]handler{
		"compute.projects.get":                  getProject,
		"compute.regions.list":                  listRegions,
		"compute.regions.get":                   getRegion,
		"compute.zones.list":                    listZones,
		"compute.zones.get":                     getZone,
		"compute.machineTypes.list":             listMachineTypes,
		"compute.machineTypes.get":              getMachineType,
		"compute.machineTypes.aggregatedList":   aggregateMachineTypes,
		"compute.acceleratorTypes.list":         listAcceleratorTypes,
		"compute.acceleratorTypes.get":          getAcceleratorType,
		"compute.images.get":                    getImage,
		"compute.images.getFromFamily":          getImageFromFamily,
		"compute.images.list":                   listImages,
		"compute.networks.list":                 listNetworks,
		"compute.networks.get":                  getNetwork,
		"compute.subnetworks.list":              listSubnetworks,
		"compute.subnetworks.get":               getSubnetwork,
		"compute.firewalls.list":                listFirewalls,
		"compute.firewalls.get":                 getFirewall,
		"compute.addresses.list":                listAddresses,
		"compute.addresses.get":                 getAddress,
		"compute.disks.list":                    listDisks,
		"compute.disks.get":                     getDisk,
		"compute.disks.aggregatedList":          aggregateDisks,
		"compute.instances.list":                listInstances,
		"compute.instances.get":                 getInstance,
		"compute.instances.aggregatedList":      aggregateInstances,
		"compute.instances.getSerialPortOutput": getSerialPortOutput,
	}
	for id, change := range map[string]change{
		"compute.firewalls.insert":             insertFirewall,
		"compute.firewalls.patch":              patchFirewall,
		"compute.firewalls.delete":             deleteFirewall,
		"compute.addresses.insert":             insertAddress,
		"compute.addresses.delete":             deleteAddress,
		"compute.disks.delete":                 deleteDisk,
		"compute.instances.insert":             insertInstance,
		"compute.instances.delete":             deleteInstance,
		"compute.instances.start":              startInstance,
		"compute.instances.stop":               stopInstance,
		"compute.instances.reset":              resetInstance,
		"compute.instances.setLabels":          setLabels,
		"compute.instances.setMetadata":        setMetadata,
		"compute.instances.setTags":            setTags,
		"compute.instances.addAccessConfig":    addAccessConfig,
		"compute.instances.deleteAccessConfig": deleteAccessConfig,
	} {
		methods[id] = change.handle
	}
	maps.Copy(methods, operationMethods())
	for id, h := range methods {
		methods[id] = placed(h)
	}
	return methods
}

// placed has a method be refused for a place that there is not.
func placed(h handler) handler {
	return func(c *call, in fields) (fields, error) {
		project := c.param("project")
		shared := strings.HasPrefix(c.method.ID, "compute.images.") && slices.Contains(imageProjects(), project)
		if project != Project && project != ProjectNumber && !shared {
			return nil, refusal(http.StatusNotFound, "notFound", "The resource 'projects/%s' was not found", project)
		}
		if zone := c.param("zone"); c.method.Parameters["zone"] != nil && regionOf(zone) == "" {
			return nil, invalid("Invalid value for field 'zone': '%s'. Unknown zone.", zone)
		}
		if c.lost[c.param("zone")] {
			return nil, Unavailable()
		}
		if region := c.param("region"); c.method.Parameters["region"] != nil && !slices.Contains(regionNames(), region) {
			return nil, invalid("Invalid value for field 'region': '%s'. Unknown region.", region)
		}
		return h(c, in)
	}
}

// change carries out a method that is not done when it is answered.
type change func(c *call, in fields) (*operation, error)

// handle makes a method of it. A request that comes again by its own id is answered
// with what it has begun before.
func (h change) handle(c *call, in fields) (fields, error) {
	request := c.param("requestId")
	if request != "" && (!isUUID(request) || strings.Trim(request, "0-") == "") {
		return nil, invalid("Invalid value for field 'requestId': '%s'. The request ID must be a valid UUID.", request)
	}
	if o := c.compute.requests[c.method.ID+" "+request]; request != "" && o != nil {
		return o.describe(c.now), nil
	}
	o, err := h(c, in)
	if err != nil {
		return nil, err
	}
	if request != "" {
		c.compute.requests[c.method.ID+" "+request] = o
	}
	return o.announce(c), nil
}

// isUUID reports whether a text is written as a UUID is.
func isUUID(s string) bool {
	return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(s)
}

// linkBase is what the links of Compute Engine begin with, wherever it was asked.
const linkBase = "https://www.googleapis.com/compute/v1/"

// link is what Compute Engine calls something that is at a path.
func link(path string) string { return linkBase + path }

// path takes the path out of a link, which may be given in part: as from the project
// on, or from the place in it. Its host is whichever the API was asked at.
func (c *call) path(link string) string {
	if _, path, whole := strings.Cut(link, "/compute/v1/"); whole && strings.Contains(link, "://") {
		link = path
	}
	link = strings.TrimPrefix(link, "/")
	if !strings.HasPrefix(link, "projects/") {
		link = "projects/" + Project + "/" + link
	}
	return strings.Replace(link, "projects/"+ProjectNumber+"/", "projects/"+Project+"/", 1)
}

// zonal is the path of something in a zone, and regional and global are their likes.
func zonal(zone, kind, name string) string {
	return "projects/" + Project + "/zones/" + zone + "/" + kind + "/" + name
}

func regional(region, kind, name string) string {
	return "projects/" + Project + "/regions/" + region + "/" + kind + "/" + name
}

func global(kind, name string) string { return "projects/" + Project + "/global/" + kind + "/" + name }

// last is the last part of a path.
func last(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// undone fails the test for something that is Google's, but not done here.
func (c *call) undone(what string) error {
	c.errorf("%s: %s is not done by package gcptest", c.method.ID, what)
	return invalid("Invalid value for field '%s': it is not supported.", what)
}

// only holds what is asked for to what is done here.
func (c *call) only(in fields, where string, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if in.Has(name) && !slices.Contains(names, name) {
			return c.undone(cloudtest.Join(where, name))
		}
	}
	return nil
}
