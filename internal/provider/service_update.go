// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Update makes what changed a new revision, and starts a controller that is dead.
// A change that concerns Terraform only, such as a timeout, is not sent anywhere;
// ModifyPlan has told it from the others by planning the revision as known.
func (r *serviceResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state serviceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	plan.recall(ctx, req.Private, &resp.Diagnostics)
	resp.Diagnostics.Append(plan.takeWriteOnly(ctx, req.Config)...)
	timeout, diags := plan.Timeouts.Update(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(logContext(ctx, plan), timeout)
	defer cancel()

	m, sent := plan, plan.Revision.IsUnknown()
	credentials := !plan.CloudsWOVersion.Equal(state.CloudsWOVersion)
	var client serve.Client
	var svc serve.Service
	if sent {
		keepSecrets := plan.SecretsWOVersion.Equal(state.SecretsWOVersion)
		client, svc, diags = r.update(ctx, plan, keepSecrets, credentials)
	} else {
		var err error
		if credentials || !plan.Controller.Equal(state.Controller) {
			r.redeploy(ctx, plan, credentials, &diags)
		}
		if diags.HasError() {
			resp.Diagnostics.Append(diags...)
			return
		}
		if svc, err = r.look(ctx, plan, &diags); err != nil {
			diags.AddError("Reading the service failed", fmt.Sprintf("The service %q was there when the plan was made.\n\n%s", plan.Name.ValueString(), err))
		}
	}
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	m.observeAsPlanned(svc, plan)
	resp.Diagnostics.Append(m.keep(ctx, &resp.State)...)
	resp.Diagnostics.Append(m.identify(ctx, resp.Identity)...)
	if resp.Diagnostics.HasError() || !sent || !m.WaitForReady.ValueBool() {
		return
	}
	sentAs := svc.Revision
	svc, diags = m.settle(ctx, client, svc)
	resp.Diagnostics.Append(diags...)
	if given := svc.RolledBack; given != nil && given.Revision == sentAs {
		// The secrets of before are in force again: those of the plan must be sent
		// with the next apply, as if they never had been.
		m.SecretsWOVersion = state.SecretsWOVersion
	}
	m.observeAsPlanned(svc, plan)
	resp.Diagnostics.Append(m.keep(ctx, &resp.State)...)
}

// redeploy brings the controller up to date without a new revision.
func (r *serviceResource) redeploy(ctx context.Context, m serviceModel, credentials bool, diags *diag.Diagnostics) {
	d := r.deployer(ctx, m, diags)
	opt := m.deployOptions(ctx, credentials, diags)
	if diags.HasError() {
		return
	}
	if _, err := d.Deploy(ctx, m.Name.ValueString(), opt); err != nil {
		diags.AddAttributeError(path.Root("controller"), "Deploying the controller failed", fmt.Sprintf("The controller of the service %q could not be changed on %s.\n\n%s", m.Name.ValueString(), d.Name(), err))
	}
}

// update makes sure that the controller runs and has it accept the spec.
func (r *serviceResource) update(ctx context.Context, m serviceModel, keepSecrets, credentials bool) (serve.Client, serve.Service, diag.Diagnostics) {
	spec, diags := m.complete(ctx)
	d := r.deployer(ctx, m, &diags)
	if diags.HasError() {
		return nil, serve.Service{}, diags
	}
	client, err := d.Deploy(ctx, spec.Name, m.deployOptions(ctx, credentials, &diags))
	if err != nil {
		diags.AddError("Starting the controller failed", fmt.Sprintf("The controller of the service %q could not be reached or started on %s.\n\n%s", spec.Name, d.Name(), err))
		return nil, serve.Service{}, diags
	}
	// A controller that has lost its store has no secrets to keep.
	if _, err := client.Service(ctx); errors.Is(err, serve.ErrNotFound) {
		keepSecrets = false
	}
	svc, diags := m.send(ctx, client, spec, serve.ApplyOptions{KeepSecrets: keepSecrets})
	return client, svc, diags
}

// observeAsPlanned takes over what the service shows, except where the plan has
// promised something: what has changed behind Terraform's back meanwhile is for
// the next refresh to find.
func (m *serviceModel) observeAsPlanned(svc serve.Service, plan serviceModel) {
	m.observe(svc)
	if known(plan.ID) {
		m.ID = plan.ID
	}
	if known(plan.Endpoint) {
		m.Endpoint = plan.Endpoint
	}
	if known(plan.CreatedAt) {
		m.CreatedAt = plan.CreatedAt
	}
	if known(plan.Revision) {
		m.Revision = plan.Revision
	}
}
