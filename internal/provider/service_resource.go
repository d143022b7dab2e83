// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var (
	_ resource.ResourceWithConfigure      = (*serviceResource)(nil)
	_ resource.ResourceWithValidateConfig = (*serviceResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*serviceResource)(nil)
	_ resource.ResourceWithImportState    = (*serviceResource)(nil)
	_ resource.ResourceWithIdentity       = (*serviceResource)(nil)
)

// serviceResource is serve_service.
type serviceResource struct{ deployers *deployers }

// identityModel is what finds a service again.
type identityModel struct {
	Name      types.String `tfsdk:"name"`
	Infra     types.String `tfsdk:"infra"`
	Namespace types.String `tfsdk:"namespace"`
}

// Metadata names the resource type.
func (r *serviceResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_service"
}

// Schema describes the resource.
func (r *serviceResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = serviceSchema(ctx)
}

// IdentitySchema describes what finds a service again.
func (r *serviceResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"name":      identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the service."},
		"infra":     identityschema.StringAttribute{OptionalForImport: true, Description: "What its controller runs on; local when left out."},
		"namespace": identityschema.StringAttribute{OptionalForImport: true, Description: "Namespace of a Kubernetes cluster, or region of AWS or Google Cloud; that of the provider when left out."},
	}}
}

// Configure takes over what the provider was configured with.
func (r *serviceResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	d, err := configured(req.ProviderData)
	if err != nil {
		resp.Diagnostics.AddError("Configuring the resource failed", err.Error())
	}
	r.deployers = d
}

// ImportState begins with a service's name, or with where its controller runs, a
// slash and the name. Read does the rest.
func (r *serviceResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	var infra, namespace, name string
	if req.ID == "" && req.Identity != nil {
		var id identityModel
		resp.Diagnostics.Append(req.Identity.Get(ctx, &id)...)
		infra, namespace, name = cmp.Or(id.Infra.ValueString(), localInfra), id.Namespace.ValueString(), id.Name.ValueString()
	} else {
		var err error
		if infra, namespace, name, err = parseImportID(req.ID); err != nil {
			resp.Diagnostics.AddError("Invalid import id", err.Error())
			return
		}
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
	inCluster := namespace
	if regional(infra) {
		inCluster = ""
		resp.Diagnostics.Append(noteNamespace(ctx, namespace, resp.Private)...)
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("controller"), controllerObject(infra, inCluster))...)
	if resp.Identity != nil {
		resp.Diagnostics.Append(resp.Identity.Set(ctx, identityModel{types.StringValue(name), types.StringValue(infra), text(namespace)})...)
	}
}

// Read brings the service into state. One that certainly does not exist is
// removed from state; one whose controller does not answer is kept and marked,
// so that the next apply starts the controller again.
func (r *serviceResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m serviceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	m.recall(ctx, req.Private, &resp.Diagnostics)
	ctx = logContext(ctx, m)
	// Set in any case: Terraform before 1.12 keeps no identity, and the framework
	// wants one even for what is removed.
	resp.Diagnostics.Append(m.identify(ctx, resp.Identity)...)
	if infra, _ := m.infra(ctx, &resp.Diagnostics); !r.deployers.known(infra) {
		resp.Diagnostics.AddWarning("The service was not looked at", fmt.Sprintf(
			"The provider's configuration depends on something that is yet to be made. What is in state of the service %q is from an earlier time.", m.Name.ValueString()))
		return
	}
	svc, err := r.look(ctx, m, &resp.Diagnostics)
	switch {
	case resp.Diagnostics.HasError():
		return
	case errors.Is(err, serve.ErrNotFound):
		tflog.Info(ctx, "the service is gone")
		resp.State.RemoveResource(ctx)
		return
	case errors.Is(err, serve.ErrUnreachable):
		resp.Diagnostics.AddWarning("The controller does not answer", fmt.Sprintf(
			"What is known of the service %q is from an earlier time; its replicas may be running still. The next apply starts its controller again, "+
				"and destroying the service ends everything that belongs to it.\n\n%s", m.Name.ValueString(), err))
		m.unreachable(ctx, &resp.Diagnostics)
	case err != nil:
		resp.Diagnostics.AddError("Reading the service failed", fmt.Sprintf("Of the service %q nothing is changed in state.\n\n%s", m.Name.ValueString(), err))
		return
	default:
		resp.Diagnostics.Append(m.refresh(ctx, svc.Spec)...)
		m.observe(svc)
		if d := r.deployer(ctx, m, &resp.Diagnostics); d != nil && m.MadeIn == "" {
			m.note(ctx, d, resp.Private, &resp.Diagnostics)
		}
	}
	resp.Diagnostics.Append(m.keep(ctx, &resp.State)...)
}

// look asks for the service as it is now.
func (r *serviceResource) look(ctx context.Context, m serviceModel, diags *diag.Diagnostics) (serve.Service, error) {
	d := r.deployer(ctx, m, diags)
	if d == nil {
		return serve.Service{}, nil
	}
	client, err := d.Find(ctx, m.Name.ValueString())
	if err != nil {
		return serve.Service{}, err
	}
	return client.Service(ctx)
}

// deployer gives the deployer of the model's controller. Without one it is nil,
// and the diagnostics say why.
func (r *serviceResource) deployer(ctx context.Context, m serviceModel, diags *diag.Diagnostics) serve.Deployer {
	infra, namespace := m.place(ctx, diags)
	if diags.HasError() {
		return nil
	}
	d, err := r.deployers.get(infra, namespace)
	if err != nil {
		diags.AddAttributeError(path.Root("controller"), "No place for the controller", err.Error())
		return nil
	}
	return d
}

// logContext puts the service's name on every line, and keeps its secrets off
// them.
func logContext(ctx context.Context, m serviceModel) context.Context {
	ctx = tflog.SetField(ctx, "service", m.Name.ValueString())
	if secrets := m.secretValues(ctx); len(secrets) > 0 {
		ctx = tflog.MaskAllFieldValuesStrings(ctx, secrets...)
		ctx = tflog.MaskMessageStrings(ctx, secrets...)
	}
	return ctx
}

// secretValues lists the values of the secrets, as far as there are any.
func (m serviceModel) secretValues(ctx context.Context) []string {
	var ignored diag.Diagnostics
	var values []string
	for _, v := range stringMap(ctx, m.SecretsWO, &ignored) {
		if v != "" {
			values = append(values, v)
		}
	}
	return values
}
