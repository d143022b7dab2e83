// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// preflightPatience is how long a cloud may take to say what would be in the way.
// Whoever plans should not have to wait for longer.
const preflightPatience = 30 * time.Second

// entry is one of the resources, and where it stands.
type entry struct {
	serve.Resource
	own serve.Resource
	at  string
}

// entriesOf gives the entries of resources, complete, with the place of each.
func entriesOf(r serve.Resources) []entry {
	var all []entry
	for i, complete := range r.Entries() {
		switch n := len(r.AnyOf); {
		case i < n:
			all = append(all, entry{complete, r.AnyOf[i], fmt.Sprintf("resources.any_of[%d]", i)})
		case i-n < len(r.Ordered):
			all = append(all, entry{complete, r.Ordered[i-n], fmt.Sprintf("resources.ordered[%d]", i-n)})
		default:
			all = append(all, entry{complete, r.Resource, "resources"})
		}
	}
	return all
}

// preflight has the clouds say what would keep the service from having machines. A
// cloud that is of no use is an error only if there is no other that may be.
func (r *serviceResource) preflight(ctx context.Context, plan serviceModel, config tftypes.Value) diag.Diagnostics {
	var diags diag.Diagnostics
	infra, namespace := plan.place(ctx, &diags)
	unknown, err := unknowns(config)
	if infra == "" || !r.deployers.known(infra) || err != nil {
		return diags
	}
	d, err := r.deployers.get(infra, namespace)
	if err != nil {
		return diags // which was said before
	}
	scout, ok := d.(serve.Scout)
	if !ok {
		return diags
	}
	clouds, err := scout.Scout(plan.Name.ValueString())
	if err != nil {
		return diags // whoever deploys the controller says so
	}
	spec, d2 := plan.spec(ctx)
	diags.Append(d2...)
	p := preflight{entries: entriesOf(spec.Resources), hopeless: map[int]bool{}}
	for i, cloud := range clouds {
		checker, ok := cloud.(serve.Preflighter)
		// A cloud that the controller shows credentials of its own is not asked: what it
		// would say to whoever plans is of no account.
		if !ok || !r.deployers.knownCloud(cloud.Name()) || plan.given(ctx, cloud.Name()) {
			continue
		}
		p.ask(ctx, checker, spec, func(e entry) bool {
			return e.MayBeIn(cloud.Name(), i == 0) && !e.depends(unknown)
		}, cloud.Name())
	}
	diags.Append(p.diagnostics()...)
	return diags
}

// depends reports whether something that is not known yet decides on the machine:
// all of the outer description but the other alternatives, and labels never.
func (e entry) depends(unknown []place) bool {
	at := parsePlace(e.at)
	return slices.ContainsFunc(unknown, func(u place) bool {
		if u[0] != "resources" || slices.Contains(u, any("labels")) {
			return false
		}
		return u.touches(at) || len(u) > 1 && u[1] != "any_of" && u[1] != "ordered"
	})
}

// preflight is what the clouds have said.
type preflight struct {
	entries  []entry
	found    []obstacle
	hopeless map[int]bool
}

// obstacle is something in the way, and the places that it is about.
type obstacle struct {
	at      []string
	message string
}

// ask asks one cloud about the entries that may be in it.
func (p *preflight) ask(ctx context.Context, cloud serve.Preflighter, spec serve.Spec, fits func(entry) bool, name string) {
	var asked []int
	req := serve.Preflight{Service: spec.Name}
	req.Spot, req.OnDemand = spec.Most()
	for i, e := range p.entries {
		if fits(e) {
			asked, req.Entries = append(asked, i), append(req.Entries, e.Resource)
		}
	}
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	findings, err := cloud.Preflight(ctx, req)
	if err != nil {
		lost := errors.Is(err, serve.ErrUnauthorized) || errors.Is(err, serve.ErrInvalid)
		findings = nil
		for n := range asked {
			findings = append(findings, serve.Finding{Entry: n, Field: "infra", Hopeless: lost,
				Message: fmt.Sprintf("Whether the cloud %q has such machines for this account could not be found out.\n\n%s", name, err)})
		}
	}
	for _, f := range findings {
		if f.Entry == serve.AllEntries {
			for _, i := range asked {
				p.hopeless[i] = p.hopeless[i] || f.Hopeless
			}
			p.find("resources", f.Message)
			continue
		}
		i := asked[f.Entry]
		p.hopeless[i] = p.hopeless[i] || f.Hopeless
		p.find(p.entries[i].field(f.Field), f.Message)
	}
}

// find notes what is in the way, and where. What is so at several places is said
// once.
func (p *preflight) find(at, message string) {
	for i, f := range p.found {
		if f.message == message {
			if !slices.Contains(f.at, at) {
				p.found[i].at = append(f.at, at)
			}
			return
		}
	}
	p.found = append(p.found, obstacle{[]string{at}, message})
}

// field gives the place of an attribute that an entry has itself, or takes from the
// outer description; that of the entry if it has none such.
func (e entry) field(name string) string {
	switch {
	case name == "" || !hasField(e.Resource, name):
		return e.at
	case hasField(e.own, name):
		return e.at + "." + name
	}
	return "resources." + name
}

// hasField reports whether a description says something by an attribute.
func hasField(r serve.Resource, field string) bool {
	value, ok := map[string]string{
		"infra": r.Infra, "cloud": r.Cloud, "region": r.Region, "zone": r.Zone, "instance_type": r.InstanceType, "cpus": r.CPUs,
		"memory": r.Memory, "accelerators": r.Accelerators, "image_id": r.ImageID, "disk_size": r.DiskSize, "disk_tier": r.DiskTier,
	}[field]
	if field == "max_hourly_cost" {
		return r.MaxHourlyCost > 0
	}
	return ok && value != ""
}

// diagnostics gives errors if no entry has a chance, and else warnings.
func (p *preflight) diagnostics() diag.Diagnostics {
	var diags diag.Diagnostics
	for _, f := range p.found {
		if p.allHopeless() {
			diags.AddAttributeError(path.Root("resources"), "No machine for "+strings.Join(f.at, ", "), f.message)
		} else {
			diags.AddAttributeWarning(path.Root("resources"), "Machines may be missing for "+strings.Join(f.at, ", "), f.message)
		}
	}
	return diags
}

func (p *preflight) allHopeless() bool {
	for i := range p.entries {
		if !p.hopeless[i] {
			return false
		}
	}
	return true
}

// asksForOthers reports whether other machines are asked for than in the state.
func (m serviceModel) asksForOthers(state serviceModel) bool {
	return !m.Resources.Equal(state.Resources) || !m.ReplicaPolicy.Equal(state.ReplicaPolicy) || !m.Replicas.Equal(state.Replicas)
}
