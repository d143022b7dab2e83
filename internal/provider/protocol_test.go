// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// These tests speak the protocol themselves, for what the Terraform of these
// tests is too old to ask for, and for what it does not show.

// serving gives a configured provider.
func serving(t *testing.T, o Options) tfprotov6.ProviderServer {
	t.Helper()
	server := providerserver.NewProtocol6(New(o)())()
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil || len(schemas.Diagnostics) > 0 {
		t.Fatalf("the schema is not valid: %v %+v", err, schemas)
	}
	kind, ok := schemas.Provider.ValueType().(tftypes.Object)
	if !ok {
		t.Fatal("the provider's configuration is no object")
	}
	nothing := map[string]tftypes.Value{}
	for name, attribute := range kind.AttributeTypes {
		nothing[name] = tftypes.NewValue(attribute, nil)
	}
	resp, err := server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config: pack(t, kind, tftypes.NewValue(kind, nothing)),
	})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatalf("configuring the provider: %v %v", err, resp)
	}
	return server
}

func pack(t *testing.T, kind tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	d, err := tfprotov6.NewDynamicValue(kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestAServiceIsImportedByItsIdentity(t *testing.T) {
	t.Parallel()
	kind := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"name": tftypes.String, "infra": tftypes.String, "namespace": tftypes.String}}
	for what, row := range map[string]struct {
		infra, namespace, kept any
	}{
		"the place left out": {nil, nil, "local"}, "the place given": {"local", nil, "local"},
		"a namespace": {"kubernetes", "apps", "kubernetes"}, "a region": {"gcp", "us-east1", "gcp"}, "a region left out": {"gcp", nil, "gcp"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newInfra(ready)
			client, err := f.Deploy(t.Context(), "web", serve.DeployOptions{})
			if err != nil {
				t.Fatal(err)
			}
			spec := serve.NewSpec("web")
			spec.Run, spec.Resources.Ports = "serve", "80"
			if _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			o := options(f)
			o.Deployers = func(Settings) (map[string]serve.Deployer, error) {
				return map[string]serve.Deployer{localInfra: f, kubernetesInfra: f, gcpInfra: f}, nil
			}
			server := serving(t, o)
			identity := tftypes.NewValue(kind, map[string]tftypes.Value{
				"name": tftypes.NewValue(tftypes.String, "web"), "infra": tftypes.NewValue(tftypes.String, row.infra),
				"namespace": tftypes.NewValue(tftypes.String, row.namespace),
			})
			imported, err := server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{
				TypeName: "serve_service",
				Identity: &tfprotov6.ResourceIdentityData{IdentityData: pack(t, kind, identity)},
			})
			if err != nil || len(imported.Diagnostics) > 0 {
				t.Fatalf("importing: %v %+v", err, imported)
			}
			read, err := server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{
				TypeName: "serve_service", CurrentState: imported.ImportedResources[0].State,
				CurrentIdentity: imported.ImportedResources[0].Identity, Private: imported.ImportedResources[0].Private,
			})
			if err != nil || len(read.Diagnostics) > 0 {
				t.Fatalf("reading: %v %+v", err, read)
			}
			got, err := read.NewIdentity.IdentityData.Unmarshal(kind)
			if err != nil {
				t.Fatal(err)
			}
			want := tftypes.NewValue(kind, map[string]tftypes.Value{
				"name": tftypes.NewValue(tftypes.String, "web"), "infra": tftypes.NewValue(tftypes.String, row.kept),
				"namespace": tftypes.NewValue(tftypes.String, row.namespace),
			})
			if !got.Equal(want) {
				t.Errorf("the identity is %s, want %s", got, want)
			}
		})
	}
}

func TestEveryAttributeSaysWhatItIs(t *testing.T) {
	t.Parallel()
	schemas, err := serving(t, options(newInfra(ready))).GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil || len(schemas.Diagnostics) > 0 {
		t.Fatalf("the schema is not valid: %v %+v", err, schemas.Diagnostics)
	}
	checked := 0
	var check func(at string, attributes []*tfprotov6.SchemaAttribute)
	check = func(at string, attributes []*tfprotov6.SchemaAttribute) {
		for _, a := range attributes {
			checked++
			name := at + "." + a.Name
			if !strings.HasSuffix(a.Description, ".") && !strings.HasSuffix(a.Description, ".)") {
				t.Errorf("%s is described by %q, which is no sentence", name, a.Description)
			}
			if a.NestedType != nil {
				check(name, a.NestedType.Attributes)
			}
		}
	}
	for name, s := range schemas.ResourceSchemas {
		check(name, s.Block.Attributes)
	}
	for name, s := range schemas.DataSourceSchemas {
		check("data."+name, s.Block.Attributes)
	}
	check("provider", schemas.Provider.Block.Attributes)
	if checked < 100 {
		t.Errorf("only %d attributes were checked", checked)
	}
	if len(schemas.ResourceSchemas["serve_service"].Block.BlockTypes) > 0 {
		t.Error("serve_service has blocks")
	}
}
