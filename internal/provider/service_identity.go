// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// parseImportID reads "name", "infra/name" for a controller that is not local, or
// "infra/namespace/name" where infras have namespaces, or regions.
func parseImportID(id string) (infra, namespace, name string, err error) {
	parts := strings.Split(id, "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return "", "", "", fmt.Errorf("%q is not a service's; it is NAME, INFRA/NAME or INFRA/NAMESPACE/NAME, such as \"web\", \"kubernetes/apps/web\" or \"gcp/us-east1/web\"", id)
	}
	infra, name = localInfra, parts[len(parts)-1]
	if len(parts) > 1 {
		infra = parts[0]
	}
	if len(parts) > 2 {
		namespace = parts[1]
	}
	return infra, namespace, name, nil
}

// importID is the way back.
func importID(infra, namespace, name string) string {
	if namespace == "" {
		return infra + "/" + name
	}
	return infra + "/" + namespace + "/" + name
}

// identify sets the identity of the service, which keeps the region that it may have
// been imported by. Terraform before 1.12 has none.
func (m serviceModel) identify(ctx context.Context, identity *tfsdk.ResourceIdentity) diag.Diagnostics {
	if identity == nil {
		return nil
	}
	var diags diag.Diagnostics
	infra, namespace := m.infra(ctx, &diags)
	if regional(infra) && !identity.Raw.IsNull() {
		var was identityModel
		diags.Append(identity.Get(ctx, &was)...)
		namespace = was.Namespace.ValueString()
	}
	diags.Append(identity.Set(ctx, identityModel{Name: m.Name, Infra: types.StringValue(infra), Namespace: text(namespace)})...)
	return diags
}

// takeWriteOnly takes in what is in the configuration alone, and never in a plan.
func (m *serviceModel) takeWriteOnly(ctx context.Context, config tfsdk.Config) diag.Diagnostics {
	diags := config.GetAttribute(ctx, path.Root("secrets_wo"), &m.SecretsWO)
	diags.Append(config.GetAttribute(ctx, path.Root(cloudsAt), &m.CloudsWO)...)
	return diags
}

// keep puts the model into state, without its secrets. The framework would drop
// them itself, but not where there is also an error.
func (m serviceModel) keep(ctx context.Context, state *tfsdk.State) diag.Diagnostics {
	m.SecretsWO = types.MapNull(types.StringType)
	m.CloudsWO = types.ObjectNull(attributeTypes(cloudsAttributes()))
	return state.Set(ctx, m)
}
