// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Markets that instances are had in, as Compute Engine calls them.
const (
	Standard = "STANDARD"
	Spot     = "SPOT"
)

// plan is what an insert asks for, understood and found to be possible.
type plan struct {
	name, description, zone string
	kind                    kind
	market                  string
	action                  string // what becomes of a spot machine that is taken back
	maintenance             string
	restarts                bool
	notice                  time.Duration // before a spot machine is taken back
	gpu                     string
	gpus                    int
	external                bool
	access                  string // the name of its way to the world
	reserved                string // the reserved address that it is to have
	disks                   []diskPlan
	labels                  map[string]string
	items                   []item
	tags                    []string
	account                 string
	scopes                  []string
	protected               bool
	forwards                bool
	secureBoot              bool
}

// accelerator is what a machine has for computing: of its type, or beside it.
func (p plan) accelerator() (string, int) {
	if p.kind.gpus > 0 {
		return p.kind.gpu, p.kind.gpus
	}
	return p.gpu, p.gpus
}

// startup is the script that an instance runs when it starts.
func (i *instance) startup() string {
	at := slices.IndexFunc(i.items, func(m item) bool { return m.key == "startup-script" })
	if at < 0 {
		return ""
	}
	return i.items[at].value
}

// diskPlan is a disk to be made with an instance.
type diskPlan struct {
	name, device, kind string
	image              image
	sizeGB             int64
	deleted            bool // with the instance
	labels             map[string]string
}

// plan understands a request for an instance, and refuses what Compute Engine would
// refuse.
func (c *call) plan(in fields) (plan, error) {
	p := plan{
		name: in.Text("name"), description: in.Text("description"), zone: c.param("zone"), labels: labelsOf(in),
		protected: in.Flag("deletionProtection"), forwards: in.Flag("canIpForward"), secureBoot: in.Sub("shieldedInstanceConfig").Flag("enableSecureBoot"),
	}
	if err := c.only(in, "resource", "name", "description", "machineType", "disks", "networkInterfaces", "scheduling", "labels", "metadata", "tags",
		"serviceAccounts", "guestAccelerators", "deletionProtection", "canIpForward", "shieldedInstanceConfig"); err != nil {
		return p, err
	}
	for _, name := range []string{"sourceInstanceTemplate", "sourceMachineImage"} {
		if c.param(name) != "" {
			return p, c.undone(name)
		}
	}
	for _, step := range []func(*call, *plan, fields) error{
		planKind, planGPU, planMarket, planNetwork, planDisks, planAccount, planMetadata,
	} {
		if err := step(c, &p, in); err != nil {
			return plan{}, err
		}
	}
	return p, holdLabels(p.labels)
}

func planKind(c *call, p *plan, in fields) error {
	path := c.path(in.Text("machineType"))
	name := last(path)
	if path != zonal(p.zone, "machineTypes", name) {
		return invalid("Invalid value for field 'resource.machineType': '%s'. The URL is malformed, or not of zone '%s'.", in.Text("machineType"), p.zone)
	}
	k, ok := kindNamed(name)
	if !ok || !k.offered(p.zone) {
		return invalid("Invalid value for field 'resource.machineType': '%s'. Machine type with name '%s' does not exist in zone '%s'.",
			in.Text("machineType"), name, p.zone)
	}
	p.kind = k
	return nil
}

func planGPU(c *call, p *plan, in fields) error {
	list := in.Subs("guestAccelerators")
	if len(list) == 0 {
		return nil
	}
	path := c.path(list[0].Text("acceleratorType"))
	g, ok := gpuNamed(last(path))
	n := list[0].Number("acceleratorCount", 0)
	switch {
	case len(list) > 1 || !ok || path != zonal(p.zone, "acceleratorTypes", g.name) || !g.offered(p.zone):
		return invalid("Invalid value for field 'resource.guestAccelerators[0].acceleratorType': '%s'. Accelerator type does not exist in zone '%s'.",
			list[0].Text("acceleratorType"), p.zone)
	case p.kind.gpu == g.name && p.kind.gpus == n:
		return nil // which goes without saying
	case !g.apart || !strings.HasPrefix(p.kind.name, "n1-") && !strings.HasPrefix(p.kind.name, "custom-"):
		return invalid("[%s, %s] features are not compatible for creating instance.", p.kind.name, g.name)
	case n < 1 || n > g.most || n&(n-1) != 0:
		return invalid("Number of accelerator cards attached to an instance must be one of [1, 2, 4, 8], and %d at most for %s.", g.most, g.name)
	}
	p.gpu, p.gpus = g.name, n
	return nil
}

func planMarket(c *call, p *plan, in fields) error {
	s := in.Sub("scheduling")
	if err := c.only(s, "resource.scheduling", "preemptible", "automaticRestart", "onHostMaintenance", "provisioningModel",
		"instanceTerminationAction", "preemptionNoticeDuration"); err != nil {
		return err
	}
	p.market, p.maintenance, p.restarts = Standard, "MIGRATE", true
	if s.Has("provisioningModel") {
		p.market = s.Text("provisioningModel")
	}
	if p.market != Standard && p.market != Spot {
		return c.undone("resource.scheduling.provisioningModel")
	}
	if s.Flag("preemptible") && p.market != Spot {
		return c.undone("resource.scheduling.preemptible") // which are spot machines of old
	}
	if p.market == Spot {
		p.maintenance, p.restarts, p.action = "TERMINATE", false, "STOP"
	}
	if s.Has("onHostMaintenance") {
		p.maintenance = s.Text("onHostMaintenance")
	}
	if s.Has("automaticRestart") {
		p.restarts = s.Flag("automaticRestart")
	}
	if action := s.Text("instanceTerminationAction"); action != "" {
		if p.market != Spot {
			return invalid("Invalid value for field 'resource.scheduling': ''. You cannot specify a termination action for a VM instance that has the " +
				"standard provisioning model (default). To use instance termination action, the VM instance must use the spot provisioning model.")
		}
		p.action = action
	}
	p.notice = time.Duration(s.Sub("preemptionNoticeDuration").Number("seconds", 0)) * time.Second
	return p.agree()
}

// agree says what of a plan does not go together with its market.
func (p *plan) agree() error {
	_, gpus := p.accelerator()
	switch {
	case p.market == Spot && p.restarts:
		return invalid("Invalid value for field 'resource.scheduling.automaticRestart': 'true'. Scheduling must have preemptible be false when AutomaticRestart is true.")
	case p.market == Spot && p.maintenance != "TERMINATE":
		return invalid("Invalid value for field 'resource.scheduling.onHostMaintenance': '%s'. Preemptible instances must be TERMINATE.", p.maintenance)
	case gpus > 0 && p.maintenance != "TERMINATE":
		return invalid("Invalid value for field 'resource.scheduling.onHostMaintenance': '%s'. Instances with guest accelerators do not support live migration.",
			p.maintenance)
	case p.notice > 0 && p.market != Spot || p.notice < 0 || p.notice > 120*time.Second:
		return invalid("Invalid value for field 'resource.scheduling.preemptionNoticeDuration': '%v'. It must be 120 seconds at most, of a spot machine.", p.notice)
	}
	return nil
}

// planNetwork finds the network and the address. An instance without a way to the world
// that is asked for has none.
func planNetwork(c *call, p *plan, in fields) error {
	nics := in.Subs("networkInterfaces")
	if len(nics) != 1 {
		return invalid("Invalid value for field 'resource.networkInterfaces': ''. At least one network interface is required, and no more are done here.")
	}
	nic := nics[0]
	if err := c.only(nic, "resource.networkInterfaces[0]", "network", "subnetwork", "accessConfigs", "stackType", "nicType"); err != nil {
		return err
	}
	region := regionOf(p.zone)
	if name := nic.Text("network"); name != "" && c.path(name) != networkPath() {
		return invalid("Invalid value for field 'resource.networkInterfaces[0].network': '%s'. The referenced network resource cannot be found.", name)
	}
	if name := nic.Text("subnetwork"); name != "" && c.path(name) != subnetPath(region) {
		return invalid("Invalid value for field 'resource.networkInterfaces[0].subnetwork': '%s'. The referenced subnetwork resource cannot be found.", name)
	}
	for _, access := range nic.Subs("accessConfigs") {
		if err := c.only(access, "resource.networkInterfaces[0].accessConfigs[0]", "type", "name", "natIP", "networkTier"); err != nil {
			return err
		}
		p.external, p.access, p.reserved = true, access.Text("name"), access.Text("natIP")
	}
	if p.reserved != "" {
		if _, err := c.claimed(region, p.reserved, nil); err != nil {
			return err
		}
	}
	p.tags = in.Sub("tags").Texts("items")
	if len(p.tags) > 64 || len(slices.Compact(slices.Sorted(slices.Values(p.tags)))) < len(p.tags) {
		return invalid("Invalid value for field 'resource.tags': ''. There are too many tags, or the same one twice.")
	}
	return nil
}

// planDisks gives the boot disk the size of the image, and what else is asked for.
func planDisks(c *call, p *plan, in fields) error {
	list := in.Subs("disks")
	if len(list) == 0 || !list[0].Flag("boot") {
		return invalid("Invalid value for field 'resource.disks': ''. Boot disk must be specified.")
	}
	for at, d := range list {
		where := "resource.disks[0]"
		if err := c.only(d, where, "boot", "autoDelete", "deviceName", "initializeParams", "mode", "type", "interface"); err != nil {
			return err
		}
		made := d.Sub("initializeParams")
		if err := c.only(made, where+".initializeParams", "sourceImage", "diskSizeGb", "diskType", "diskName", "labels", "description"); err != nil {
			return err
		}
		if at > 0 || d.Text("type") == "SCRATCH" || d.Text("mode") == "READ_ONLY" {
			return c.undone("a disk beside the boot disk")
		}
		planned, err := c.planDisk(p, made)
		if err != nil {
			return err
		}
		planned.device, planned.deleted = d.Text("deviceName"), d.Flag("autoDelete")
		if planned.device == "" {
			planned.device = "persistent-disk-0"
		}
		p.disks = append(p.disks, planned)
	}
	return nil
}

func (c *call) planDisk(p *plan, made fields) (diskPlan, error) {
	source := made.Text("sourceImage")
	i, ok := imageAt(c.path(source))
	switch {
	case source == "":
		return diskPlan{}, invalid("Invalid value for field 'resource.disks[0]': ''. A boot disk is made of an image.")
	case !ok:
		return diskPlan{}, notFound(c.path(source))
	case i.arch != p.kind.arch:
		return diskPlan{}, invalid("Invalid value for field 'resource.disks[0]': ''. Requested boot disk architecture (%s) is not compatible with "+
			"machine type architecture (%s).", i.arch, p.kind.arch)
	}
	d := diskPlan{name: made.Text("diskName"), image: i, kind: "pd-standard", sizeGB: int64(made.Number("diskSizeGb", i.sizeGB)), labels: labelsOf(made)}
	if d.name == "" {
		d.name = p.name
	}
	if kind := made.Text("diskType"); kind != "" {
		if d.kind = last(kind); c.path(kind) != zonal(p.zone, "diskTypes", d.kind) || !slices.Contains(diskKinds(), d.kind) {
			return d, invalid("Invalid value for field 'resource.disks[0].initializeParams.diskType': '%s'. The referenced diskType resource cannot be found.", kind)
		}
	}
	switch {
	case d.kind == p.kind.disks:
		return d, invalid("[%s] features are not compatible for creating instance: %s cannot boot from it.", d.kind, p.kind.name)
	case d.sizeGB < int64(i.sizeGB):
		return d, invalid("Invalid value for field 'resource.disks[0].initializeParams.diskSizeGb': '%d'. Requested disk size cannot be smaller than "+
			"the image size (%d GB)", d.sizeGB, i.sizeGB)
	case d.sizeGB > 65536:
		return d, invalid("Invalid value for field 'resource.disks[0].initializeParams.diskSizeGb': '%d'. It must be 65536 at most.", d.sizeGB)
	case c.disk(p.zone, d.name) != nil:
		return d, exists(zonal(p.zone, "disks", d.name))
	}
	return d, holdLabels(d.labels)
}

func diskKinds() []string { return []string{"pd-standard", "pd-balanced", "pd-ssd"} }

func planAccount(c *call, p *plan, in fields) error {
	for _, a := range in.Subs("serviceAccounts") {
		p.account, p.scopes = a.Text("email"), a.Texts("scopes")
		if p.account == "default" {
			p.account = defaultAccount
		}
		if c.accounts[p.account] == nil {
			return invalid("Invalid value for field 'resource.serviceAccounts[0].email': '%s'. The specified service account was not found.", p.account)
		}
		if len(p.scopes) == 0 {
			return invalid("Invalid value for field 'resource.serviceAccounts[0].scopes': ''. At least one scope is required.")
		}
	}
	return nil
}

func planMetadata(_ *call, p *plan, in fields) error {
	var err error
	p.items, err = readItems(in.Sub("metadata"))
	return err
}

// Limits of metadata: of one value, and of all together.
const (
	itemLimit     = 256 << 10
	metadataLimit = 512 << 10
)

func readItems(metadata fields) ([]item, error) {
	var out []item
	size := 0
	for _, m := range metadata.Subs("items") {
		key, value := m.Text("key"), m.Text("value")
		size += len(key) + len(value)
		switch {
		case slices.ContainsFunc(out, func(o item) bool { return o.key == key }):
			return nil, invalid("Invalid value for field 'resource.metadata': ''. Duplicate metadata key: '%s'.", key)
		case !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`).MatchString(key):
			return nil, invalid("Invalid value for field 'resource.metadata.items[0].key': '%s'.", key)
		case len(value) > itemLimit:
			return nil, invalid("Value for field 'resource.metadata.items[0].value' is too large: maximum size 262144 character(s); actual size %d.", len(value))
		}
		out = append(out, item{key, value})
	}
	if size > metadataLimit {
		return nil, invalid("Metadata is too large: maximum size 524288 bytes; actual size %d.", size)
	}
	return out, nil
}
