// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Markets that instances are launched in.
const (
	OnDemand = "on-demand"
	Spot     = "spot"
)

// plan is what a launch asks for, understood and found to be possible.
type plan struct {
	kind         kind
	image        image
	zones        []zone // any of them, the first that has room
	market       string
	maxPrice     float64 // of spot, or 0 for as much as on demand
	groups       []string
	disks        []disk
	userData     string
	token        string
	tokens       string // of the metadata service: required or optional
	metadataTags string
	hops         int  // how far an answer with a token gets
	mute         bool // whether the metadata service is turned off
	stopsOnHalt  bool // rather than being terminated
	protected    bool
	public       bool
	tags         tags
	volumeTags   tags
	spotTags     tags
	profile      *profile // by which it gets a role, if any
}

// disk is a volume to be made with an instance.
type disk struct {
	device, kind string
	sizeGB       int
	deleted      bool // with the instance
}

// launched is what is known of a client token.
type launched struct {
	at          time.Time
	asked       string // all parameters
	reservation string
	instances   []*instance
}

// A client token is known for so long.
const tokensLast = 48 * time.Hour

// repeated gives what was launched with the client token before, if it was.
func (c *call) repeated(in fields) (*launched, error) {
	token := in.Text("ClientToken")
	if token == "" {
		return nil, nil
	}
	if len(token) > 64 {
		return nil, invalid("ClientToken '%s' is longer than 64 characters", token)
	}
	before := c.region.launches[token]
	if before == nil || c.now.Sub(before.at) >= tokensLast {
		return nil, nil
	}
	if before.asked != canonical(in) {
		return nil, refusal(400, "IdempotentParameterMismatch",
			"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return before, nil
}

// canonical writes parameters in one way only.
func canonical(in fields) string {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Sprint(in)
	}
	return string(b)
}

func runInstances(c *call, in fields) (fields, error) {
	before, err := c.repeated(in)
	if err != nil {
		return nil, err
	}
	if before == nil {
		ask := in
		if in.Has("LaunchTemplate") {
			if ask, _, _, err = c.region.asked(in.Sub("LaunchTemplate"), in); err != nil {
				return nil, err
			}
		}
		p, err := c.plan(ask)
		if err != nil {
			return nil, err
		}
		least, most := in.Number("MinCount", 1), in.Number("MaxCount", 1)
		if least < 1 || most < least {
			return nil, refusal(400, "InvalidParameterCombination", "MinCount %d and MaxCount %d are no range", least, most)
		}
		list, err := c.launch(p, least, most)
		if err != nil {
			return nil, err
		}
		before = &launched{at: c.now, asked: canonical(in), reservation: list[0].reservation, instances: list}
		if p.token != "" {
			c.region.launches[p.token] = before
		}
	}
	out := make([]fields, 0, len(before.instances))
	for _, i := range before.instances {
		out = append(out, i.describe(c.region, c.now))
	}
	return fields{"ReservationId": before.reservation, "OwnerId": Account, "Groups": []fields{}, "Instances": out}, nil
}

// plan understands a request to launch, and refuses what EC2 would refuse.
func (c *call) plan(in fields) (plan, error) {
	p := plan{token: in.Text("ClientToken"), market: OnDemand, public: true}
	for _, step := range []func(*call, *plan, fields) error{
		planUnsupported, planKind, planMarket, planNetwork, planDisks, planUserData, planTags, planProfile,
	} {
		if err := step(c, &p, in); err != nil {
			return plan{}, err
		}
	}
	p.protected = in.Flag("DisableApiTermination")
	p.stopsOnHalt = in.Text("InstanceInitiatedShutdownBehavior") != "terminate"
	metadata := in.Sub("MetadataOptions")
	p.tokens, p.metadataTags = "required", "disabled"
	p.hops, p.mute = metadata.Number("HttpPutResponseHopLimit", 2), metadata.Text("HttpEndpoint") == "disabled"
	if p.hops < 1 || p.hops > 64 {
		return plan{}, invalid("Value (%d) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.", p.hops)
	}
	if metadata.Has("HttpTokens") {
		p.tokens = metadata.Text("HttpTokens")
	}
	if metadata.Has("InstanceMetadataTags") {
		p.metadataTags = metadata.Text("InstanceMetadataTags")
	}
	return p, nil
}

// planUnsupported refuses what names things that cannot be made here.
func planUnsupported(_ *call, _ *plan, in fields) error {
	if in.Has("KeyName") {
		return refusal(400, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist", in.Text("KeyName"))
	}
	return nil
}

func planKind(c *call, p *plan, in fields) error {
	name := in.Text("InstanceType")
	if name == "" {
		name = "m1.small" // EC2's own default, which nobody should want
	}
	k, ok := kindNamed(name)
	if !ok {
		return invalid("Invalid value '%s' for InstanceType.", name)
	}
	p.kind = k
	if !in.Has("ImageId") {
		return refusal(400, "MissingParameter", "The request must contain the parameter ImageId")
	}
	images := imagesOf(c.region.name)
	at := slices.IndexFunc(images, func(i image) bool { return i.id == in.Text("ImageId") })
	if at < 0 {
		return refusal(400, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", in.Text("ImageId"))
	}
	p.image = images[at]
	if p.image.arch != k.arch {
		return invalid("The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
			"Specify an instance type and an AMI that have matching architectures, and try again.", k.arch, p.image.arch)
	}
	return nil
}

func planMarket(_ *call, p *plan, in fields) error {
	options := in.Sub("InstanceMarketOptions")
	if options == nil {
		return nil
	}
	if market := options.Text("MarketType"); market != Spot {
		return refusal(400, "InvalidParameterCombination", "The market type '%s' cannot be had without a reservation", market)
	}
	p.market = Spot
	spot := options.Sub("SpotOptions")
	if behavior := spot.Text("InstanceInterruptionBehavior"); behavior != "" && behavior != "terminate" && spot.Text("SpotInstanceType") != "persistent" {
		return refusal(400, "InvalidParameterCombination", "The interruption behavior '%s' is for persistent requests", behavior)
	}
	if raw := spot.Text("MaxPrice"); raw != "" {
		price, err := strconv.ParseFloat(raw, 64)
		if err != nil || price <= 0 {
			return invalid("Invalid value '%s' for MaxPrice", raw)
		}
		p.maxPrice = price
	}
	return nil
}

// planNetwork finds the zones and the groups. A launch that names neither a zone
// nor a subnet may be in any zone of the default VPC.
func planNetwork(c *call, p *plan, in fields) error {
	subnet, groups, names := in.Text("SubnetId"), in.Texts("SecurityGroupIds"), in.Texts("SecurityGroups")
	if nics := in.Subs("NetworkInterfaces"); len(nics) > 0 {
		if subnet != "" || len(groups) > 0 || len(names) > 0 {
			return refusal(400, "InvalidParameterCombination",
				"Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request")
		}
		subnet, groups = nics[0].Text("SubnetId"), nics[0].Texts("Groups")
		if nics[0].Has("AssociatePublicIpAddress") {
			p.public = nics[0].Flag("AssociatePublicIpAddress")
		}
	}
	if err := planZones(c.region, p, subnet, in.Sub("Placement").Text("AvailabilityZone")); err != nil {
		return err
	}
	for _, name := range names {
		g := c.region.groupNamed(name)
		if g == nil {
			return refusal(400, "InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, c.region.vpc)
		}
		groups = append(groups, g.id)
	}
	if len(groups) == 0 {
		groups = []string{c.region.groups[0].id}
	}
	for _, id := range groups {
		if c.region.group(id) == nil {
			return refusal(400, "InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		}
	}
	p.groups = groups
	return nil
}

func planZones(r *region, p *plan, subnet, name string) error {
	p.zones = slices.Clone(r.zones)
	if name != "" {
		z, ok := r.zoneNamed(name)
		if !ok {
			return invalid("Invalid availability zone: [%s]", name)
		}
		p.zones = []zone{z}
	}
	if subnet != "" {
		z, ok := r.zone(func(z zone) bool { return z.subnet == subnet })
		if !ok {
			return refusal(400, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnet)
		}
		if name != "" && z.name != name {
			return invalid("The availability zone '%s' does not match that of the subnet '%s'", name, subnet)
		}
		p.zones = []zone{z}
	}
	fit := slices.DeleteFunc(slices.Clone(p.zones), func(z zone) bool { return !p.kind.offered(z) })
	if len(fit) == 0 {
		return refusal(400, "Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). "+
			"Please retry your request by not specifying an Availability Zone or choosing another one.", p.kind.name, p.zones[0].name)
	}
	p.zones = fit
	return nil
}

// planDisks gives the root volume the size of the image, and what else is asked
// for. Only the root volume goes with the instance if nothing is said.
func planDisks(_ *call, p *plan, in fields) error {
	root := disk{device: p.image.device, kind: "gp3", sizeGB: p.image.sizeGB, deleted: true}
	var more []disk
	for _, m := range in.Subs("BlockDeviceMappings") {
		ebs, device := m.Sub("Ebs"), m.Text("DeviceName")
		d := disk{device: device, kind: "gp2"}
		if device == root.device {
			d = root
		}
		if ebs.Has("VolumeType") {
			d.kind = ebs.Text("VolumeType")
		}
		if ebs.Has("DeleteOnTermination") {
			d.deleted = ebs.Flag("DeleteOnTermination")
		}
		d.sizeGB = ebs.Number("VolumeSize", d.sizeGB)
		switch {
		case device == root.device && d.sizeGB < root.sizeGB:
			return refusal(400, "InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB",
				d.sizeGB, "snap-"+p.image.id[4:], root.sizeGB)
		case d.sizeGB < 1 || d.sizeGB > 16384:
			return invalid("Volume of %dGiB is invalid; it must be between 1GiB and 16384GiB.", d.sizeGB)
		case device == root.device:
			root = d
		default:
			more = append(more, d)
		}
	}
	p.disks = append([]disk{root}, more...)
	return nil
}

// EC2's limit for user data, before it is encoded.
const userDataLimit = 16384

func planUserData(_ *call, p *plan, in fields) error {
	data, err := base64.StdEncoding.DecodeString(in.Text("UserData"))
	if err != nil {
		return refusal(400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(data) > userDataLimit {
		return invalid("User data is limited to %d bytes", userDataLimit)
	}
	p.userData = string(data)
	return nil
}

func planTags(c *call, p *plan, in fields) error {
	var err error
	known := []string{"instance", "volume", "network-interface", "spot-instances-request"}
	for _, t := range []struct {
		resource string
		into     *tags
	}{{"instance", &p.tags}, {"volume", &p.volumeTags}, {"spot-instances-request", &p.spotTags}} {
		if *t.into, err = specified(c.now, in, t.resource, known...); err != nil {
			return err
		}
	}
	if p.market == OnDemand && len(p.spotTags) > 0 {
		return invalid("'spot-instances-request' is not a valid taggable resource type for this operation.")
	}
	return nil
}
