// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What the controller is to show clouds reaches it once for each version, is no new
// revision of the service, and stands in no plan and no state.
func TestCloudCredentialsAreSentOnlyWhenTheirVersionChanges(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	for _, step := range []struct {
		what, action, config string
		want                 serve.CloudCredentials
		revision             int64
	}{
		{"none", "create", "", nil, 1},
		{"those of two clouds", "update", `cloud_credentials_wo = {
			aws = { access_key = "AKIA1", secret_key = "hunter2" }
			gcp = { credentials = jsonencode({ type = "service_account", private_key = "hunter2" }) }
		}
		cloud_credentials_wo_version = 1`, serve.CloudCredentials{
			"aws": `{"access_key":"AKIA1","secret_key":"hunter2"}`, "gcp": `{"private_key":"hunter2","type":"service_account"}`,
		}, 1},
		{"others of the same version, and another revision", "update", `cloud_credentials_wo = {
			aws = { access_key = "AKIA2", secret_key = "hunter2" }
		}
		cloud_credentials_wo_version = 1
		replicas = 2`, nil, 2},
		{"another version", "update", `cloud_credentials_wo = {
			kubernetes = { kubeconfig = "hunter2", context = "prod" }
		}
		cloud_credentials_wo_version = 2
		replicas = 2`, serve.CloudCredentials{"kubernetes": `{"context":"prod","kubeconfig":"hunter2"}`}, 2},
		{"none any more", "update", "replicas = 2", serve.CloudCredentials{}, 2},
	} {
		tf.becomes(t, step.action, service(step.config))
		if diff := gocmp.Diff(step.want, f.lastDeployed(t).CloudCredentials); diff != "" {
			t.Errorf("%s: the deployer was given (-want +got):\n%s", step.what, diff)
		}
		if got := tf.kept(t).Values.Revision; got != step.revision {
			t.Errorf("%s: it is revision %d, want %d", step.what, got, step.revision)
		}
		state, err := os.ReadFile(filepath.Join(tf.dir, "terraform.tfstate"))
		if err != nil || strings.Contains(string(state), "hunter2") {
			t.Errorf("%s: a secret is in the state, or %v:\n%s", step.what, err, state)
		}
	}
}

// cloudsObject gives credentials of clouds, whatever they are.
func cloudsObject(clouds ...string) types.Object {
	values := map[string]attr.Value{}
	for name, kind := range attributeTypes(cloudsAttributes()) {
		object, _ := kind.(types.ObjectType)
		if !slices.Contains(clouds, name) {
			values[name] = types.ObjectNull(object.AttrTypes)
			continue
		}
		parts := map[string]attr.Value{}
		for part := range object.AttrTypes {
			parts[part] = types.StringValue("x")
		}
		values[name] = types.ObjectValueMust(object.AttrTypes, parts)
	}
	return types.ObjectValueMust(attributeTypes(cloudsAttributes()), values)
}

// A controller on a machine of one cloud is a stranger to the others.
func TestAControllerInACloudNeedsCredentialsOfTheOthers(t *testing.T) {
	t.Parallel()
	resources := serve.Resources{AnyOf: []serve.Resource{{Infra: "aws/us-east-1"}, {Infra: "gcp"}, {Infra: "kubernetes"}}}
	given := func(clouds ...string) serviceModel { return serviceModel{CloudsWO: cloudsObject(clouds...)} }
	for _, row := range []struct {
		what, infra string
		model       serviceModel
		missing     string
	}{
		{"on AWS with those of both others", "aws", given("gcp", "kubernetes"), ""},
		{"on AWS with those of one", "aws", given("gcp"), `the cloud "kubernetes", which resources.any_of[2] names`},
		{"on AWS without any", "aws", given(), `the cloud "gcp", which resources.any_of[1] names`},
		{"on Google Cloud without those of AWS", "gcp", given("kubernetes"), `the cloud "aws", which resources.any_of[0] names`},
		{"on this machine, which may have some", "local", given(), ""},
		{"in a cluster, whose pods may have some", "kubernetes", given(), ""},
	} {
		errs := row.model.missingCredentials(t.Context(), resources, row.infra)
		var texts string
		for _, e := range errs {
			texts += e.Message
		}
		if (texts != "") != (row.missing != "") || !strings.Contains(texts, row.missing) {
			t.Errorf("%s: %q, want %q", row.what, texts, row.missing)
		}
	}
}
