// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ModifyPlan computes the digests of local content, checks what only the
// deployers know, and says which of the computed attributes an update changes.
func (r *serviceResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan serviceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if !req.State.Raw.IsNull() {
		plan.recall(ctx, req.Private, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(cloudsAt), &plan.CloudsWO)...)
	resp.Diagnostics.Append(r.checkPlace(ctx, plan)...)
	resp.Diagnostics.Append(plan.digestContent(ctx)...)
	if resp.Diagnostics.HasError() {
		return
	}
	// One attribute at a time: setting the whole plan would drop the marks that
	// Terraform has put on parts of it.
	set := func(name string, v any) {
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root(name), v)...)
	}
	set("tls_digest", plan.TLSDigest)
	set("workdir_digest", plan.WorkdirDigest)
	set("file_mounts_digests", plan.FileMountsDigests)
	if req.State.Raw.IsNull() {
		resp.Diagnostics.Append(r.preflight(ctx, plan, req.Config.Raw)...)
		return
	}
	var state serviceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	dead := state.isUnreachable(ctx, &resp.Diagnostics)
	if !dead && resp.Plan.Raw.Equal(req.State.Raw) {
		return
	}
	if dead || plan.asksForOthers(state) {
		resp.Diagnostics.Append(r.preflight(ctx, plan, req.Config.Raw)...)
	}
	unknown, err := unknowns(req.Config.Raw)
	anew := dead || err != nil || len(unknown) > 0 || !plan.sameSpec(ctx, state, &resp.Diagnostics)
	plan.update(ctx, state, dead, anew, set, &resp.Diagnostics)
}

// update says which of the computed attributes an update changes: that of a service
// whose controller is dead, or of which there will be a new revision.
func (m serviceModel) update(ctx context.Context, state serviceModel, dead, anew bool, set func(string, any), diags *diag.Diagnostics) {
	set("status", types.ObjectUnknown(attributeTypes(statusAttributes())))
	set("replica_status", types.MapUnknown(types.ObjectType{AttrTypes: attributeTypes(replicaAttributes())}))
	set("revision", state.Revision)
	if anew {
		set("revision", types.Int64Unknown())
	}
	// A controller that is started again may have to take another port, and with
	// TLS the endpoint begins with https.
	if dead || m.TLS.IsNull() != state.TLSDigest.IsNull() || !m.sameEndpoint(ctx, state, diags) {
		set("endpoint", types.StringUnknown())
	}
}

// sameSpec reports whether plan and state ask for the same service, so that
// applying the one makes no new revision of the other.
func (m serviceModel) sameSpec(ctx context.Context, state serviceModel, diags *diag.Diagnostics) bool {
	want, d := m.spec(ctx)
	diags.Append(d...)
	have, d := state.spec(ctx)
	diags.Append(d...)
	return same(want, have) &&
		m.TLSDigest.Equal(state.TLSDigest) &&
		m.SecretsWOVersion.Equal(state.SecretsWOVersion)
}

// checkPlace checks that there is such a controller, and that it can have
// machines where the resources want them.
func (r *serviceResource) checkPlace(ctx context.Context, plan serviceModel) diag.Diagnostics {
	var diags diag.Diagnostics
	infra, namespace := plan.place(ctx, &diags)
	if infra == "" || !r.deployers.known(infra) {
		return diags
	}
	d, err := r.deployers.get(infra, namespace)
	if err != nil {
		diags.AddAttributeError(path.Root("controller"), "No place for the controller", err.Error())
		return diags
	}
	if checker, ok := d.(serve.NameChecker); ok && known(plan.Name) {
		if err := checker.CheckName(plan.Name.ValueString()); err != nil {
			diags.AddAttributeError(path.Root("name"), "Invalid name", err.Error())
		}
	}
	spec, more := plan.spec(ctx)
	diags.Append(more...)
	diags.Append(fieldErrors(missingClouds(spec.Resources, d))...)
	diags.Append(fieldErrors(plan.missingCredentials(ctx, spec.Resources, infra))...)
	return diags
}

// missingClouds names the descriptions of machines whose cloud the controller
// has no access to.
func missingClouds(r serve.Resources, d serve.Deployer) serve.FieldErrors {
	var errs serve.FieldErrors
	check := func(own serve.Resource, at string) {
		cloud := own.Location().Cloud
		if cloud == "" || cloud == "*" || slices.Contains(d.Clouds(), cloud) {
			return
		}
		field := ".infra"
		if own.Infra == "" {
			field = ".cloud"
		}
		errs = append(errs, serve.FieldError{
			Path:    at + field,
			Message: fmt.Sprintf("A controller on %q has no machines of the cloud %q; it has those of %s.", d.Name(), cloud, words(d.Clouds())),
		})
	}
	check(r.Resource, "resources")
	for i, own := range r.AnyOf {
		check(own, fmt.Sprintf("resources.any_of[%d]", i))
	}
	for i, own := range r.Ordered {
		check(own, fmt.Sprintf("resources.ordered[%d]", i))
	}
	return errs
}
