// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ValidateConfig checks a configuration by the domain's rules. A rule that looks
// at anything unknown is left for later: Terraform validates again when more is
// known, at the latest while it applies.
func (r *serviceResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m serviceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(m.validate(ctx, req.Config.Raw)...)
}

// validate checks a configuration, of which raw is Terraform's own form.
func (m serviceModel) validate(ctx context.Context, raw tftypes.Value) diag.Diagnostics {
	m.WorkdirDigest, m.FileMountsDigests = standIns(m.Workdir, m.FileMounts)
	spec, diags := m.spec(ctx)
	spec = m.withSecrets(ctx, spec, &diags)
	diags.Append(m.validateTarget(ctx)...)
	diags.Append(m.validateController(ctx)...)
	diags.Append(m.validateClouds(ctx)...)
	diags.Append(validateWritten(raw)...)
	unknown, err := unknowns(raw)
	if err != nil {
		diags.AddError("Reading the configuration failed", err.Error())
	}
	if diags.HasError() {
		return diags
	}
	diags.Append(fieldErrors(decidable(spec.Validate(), unknown))...)
	return diags
}

// validateTarget checks what a spec cannot tell, because there max_replicas has
// its default already.
func (m serviceModel) validateTarget(ctx context.Context) diag.Diagnostics {
	var diags diag.Diagnostics
	p, ok := decode[policyModel](ctx, m.ReplicaPolicy, &diags)
	target := p.TargetQPSPerReplica
	hasTarget := known(target) && !target.IsUnderlyingValueNull() && !target.IsUnderlyingValueUnknown()
	if ok && hasTarget && p.MaxReplicas.IsNull() {
		invalid(&diags, path.Root("replica_policy").AtName("target_qps_per_replica"),
			"With target_qps_per_replica the number of replicas follows the load; say by max_replicas how far.")
	} else if ok && known(p.TargetConcurrencyPerReplica) && p.MaxReplicas.IsNull() {
		invalid(&diags, path.Root("replica_policy").AtName("target_concurrency_per_replica"),
			"With target_concurrency_per_replica the number of replicas follows the load; say by max_replicas how far.")
	}
	return diags
}

// standIns gives digests to validate with, in place of those that are not
// computed before the plan. Whether the paths exist is for the plan to find out.
func standIns(workdir types.String, mounts types.Map) (types.String, types.Map) {
	digest := "sha256:" + strings.Repeat("0", 64)
	one := types.StringNull()
	if !workdir.IsNull() {
		one = types.StringValue(digest)
	}
	all := make(map[string]string, len(mounts.Elements()))
	for target := range mounts.Elements() {
		all[target] = digest
	}
	return one, textMap(all)
}

// validateWritten refuses what is written down although it is nothing: null as an
// element, 0 or "" where the domain has them for what was left out.
func validateWritten(raw tftypes.Value) diag.Diagnostics {
	var diags diag.Diagnostics
	err := tftypes.Walk(raw, func(at *tftypes.AttributePath, v tftypes.Value) (bool, error) {
		last := at.LastStep()
		_, inMap := last.(tftypes.ElementKeyString)
		_, inList := last.(tftypes.ElementKeyInt)
		var number big.Float
		var text string
		switch {
		case !v.IsKnown():
		case v.IsNull() && (inMap || inList):
			invalid(&diags, placeOf(at).attribute(), "An element cannot be null; leave it out.")
		case v.IsNull():
		case aboveZero(last):
			if v.Type().Is(tftypes.Number) && v.As(&number) == nil && number.Sign() == 0 {
				invalid(&diags, placeOf(at).attribute(), "0 is not possible here; leave it out or write a number above 0.")
			}
		case last == tftypes.AttributeName("post_data"):
			if v.As(&text) == nil && text == "" {
				invalid(&diags, placeOf(at).attribute(), "Nothing is not a JSON document; leave it out for a probe by GET.")
			}
		}
		return true, nil
	})
	if err != nil {
		diags.AddError("Reading the configuration failed", err.Error())
	}
	return diags
}

// aboveZero reports whether an attribute's number must be above 0, where the domain
// has 0 for what was left out.
func aboveZero(step tftypes.AttributePathStep) bool {
	name, ok := step.(tftypes.AttributeName)
	return ok && slices.Contains([]string{"ports", "max_hourly_cost", "target_concurrency_per_replica"}, string(name))
}

// fieldErrors turns what is wrong with a spec into diagnostics that point at the
// attributes.
func fieldErrors(errs serve.FieldErrors) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, e := range errs {
		invalid(&diags, parsePlace(e.Path).attribute(), e.Message)
	}
	return diags
}

// invalid reports a bad value. Terraform finds the line of a whole argument and
// of an element of it, but not of an attribute within a nested one, for which it
// would show the head of the resource; so it is given the argument, and the
// exact place stands in the text.
func invalid(diags *diag.Diagnostics, at path.Path, detail string) {
	shown := path.Empty()
	for i, step := range at.Steps() {
		name, isName := step.(path.PathStepAttributeName)
		element, isElement := step.(path.PathStepElementKeyString)
		switch {
		case i == 0 && isName:
			shown = shown.AtName(string(name))
		case i == 1 && isElement:
			shown = shown.AtMapKey(string(element))
		}
	}
	diags.AddAttributeError(shown, "Invalid "+at.String(), detail)
}
