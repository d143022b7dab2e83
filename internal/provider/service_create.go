// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// sweepTimeout bounds the end of a controller whose making has failed, for which
// the context of the request may be too short.
const sweepTimeout = 5 * time.Minute

// Create is done once a controller has accepted the spec: then the service is in
// state, whatever becomes of its replicas. Anything that fails before leaves
// nothing behind.
func (r *serviceResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m serviceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	resp.Diagnostics.Append(m.takeWriteOnly(ctx, req.Config)...)
	timeout, diags := m.Timeouts.Create(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(logContext(ctx, m), timeout)
	defer cancel()

	client, svc, diags := r.create(ctx, m)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	// Kept before the wait, so that nothing that happens during it loses the
	// service.
	m.observe(svc)
	resp.Diagnostics.Append(m.keep(ctx, &resp.State)...)
	if d := r.deployer(ctx, m, &resp.Diagnostics); d != nil {
		m.note(ctx, d, resp.Private, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(m.identify(ctx, resp.Identity)...)
	if resp.Diagnostics.HasError() || !m.WaitForReady.ValueBool() {
		return
	}
	svc, diags = m.settle(ctx, client, svc)
	resp.Diagnostics.Append(diags...)
	m.observe(svc)
	resp.Diagnostics.Append(m.keep(ctx, &resp.State)...)
}

// create deploys a controller and has it accept the spec, or undoes what it did.
func (r *serviceResource) create(ctx context.Context, m serviceModel) (serve.Client, serve.Service, diag.Diagnostics) {
	spec, diags := m.complete(ctx)
	d := r.deployer(ctx, m, &diags)
	if diags.HasError() {
		return nil, serve.Service{}, diags
	}
	name := m.Name.ValueString()
	_, namespace := m.infra(ctx, &diags)
	made, diags := vacant(ctx, d, namespace, name)
	if diags.HasError() {
		return nil, serve.Service{}, diags
	}
	tflog.Info(ctx, "deploying the controller", map[string]any{"infra": d.Name()})
	client, err := d.Deploy(ctx, name, m.deployOptions(ctx, !m.CloudsWO.IsNull(), &diags))
	var svc serve.Service
	if err != nil {
		diags.AddError("Deploying the controller failed", fmt.Sprintf("No controller for the service %q could be started on %s.\n\n%s", name, d.Name(), err))
	} else {
		svc, diags = m.send(ctx, client, spec, serve.ApplyOptions{MustBeNew: true})
	}
	if diags.HasError() && made && empty(ctx, client) {
		diags.Append(abandon(ctx, d, name)...)
	}
	return client, svc, diags
}

// vacant makes sure that the name is free, and reports whether there is not even
// a controller of that name.
func vacant(ctx context.Context, d serve.Deployer, namespace, name string) (noController bool, diags diag.Diagnostics) {
	client, err := d.Find(ctx, name)
	if errors.Is(err, serve.ErrNotFound) {
		return true, nil
	}
	var svc serve.Service
	if err == nil {
		svc, err = client.Service(ctx)
	}
	taken := fmt.Sprintf("Nothing was changed. To have Terraform manage it, import it: terraform import ADDRESS %s. To have another service, choose another name.", importID(d.Name(), namespace, name))
	switch {
	case errors.Is(err, serve.ErrNotFound):
		// A controller without a service is what an interrupted create leaves
		// behind. Deploy takes it up again.
		return false, nil
	case errors.Is(err, serve.ErrUnreachable):
		diags.AddAttributeError(path.Root("name"), "The service already exists", fmt.Sprintf("There is a controller for a service %q on %s, and it does not answer. %s "+
			"If it is what an apply has left that was cut off, remove it: terraform-provider-serve down %s%s.", name, d.Name(), taken, name, commandFor(d.Name(), namespace)))
	case err != nil:
		diags.AddError("Looking for the service failed", fmt.Sprintf("Whether there is a service %q already could not be found out.\n\n%s", name, err))
	default:
		diags.AddAttributeError(path.Root("name"), "The service already exists", fmt.Sprintf("There is a service %q on %s, created %s. %s", name, d.Name(), moment(svc.CreatedAt).ValueString(), taken))
	}
	return false, diags
}

// commandFor gives what the provider's own commands are told to find an infra by; a home
// other than the usual one is in their environment.
func commandFor(infra, namespace string) string {
	if infra == localInfra {
		return ""
	}
	return " --infra " + strings.TrimSuffix(infra+"/"+namespace, "/")
}

// empty reports whether a controller has no service. One that could not even be
// started has none; one that was given a service by somebody else is theirs.
func empty(ctx context.Context, client serve.Client) bool {
	if client == nil {
		return true
	}
	_, err := client.Service(context.WithoutCancel(ctx))
	return errors.Is(err, serve.ErrNotFound)
}

// abandon removes a controller that was made for nothing.
func abandon(ctx context.Context, d serve.Deployer, name string) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepTimeout)
	defer cancel()
	var diags diag.Diagnostics
	if _, err := d.Destroy(ctx, name); err != nil {
		diags.AddError("Removing the controller again failed", fmt.Sprintf("The controller that was started for the service %q is still there.\n\n%s", name, err))
	}
	return diags
}
