// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// cloudsModel is cloud_credentials_wo.
type cloudsModel struct {
	AWS        types.Object `tfsdk:"aws"`
	GCP        types.Object `tfsdk:"gcp"`
	Kubernetes types.Object `tfsdk:"kubernetes"`
}

// of gives what is said of each cloud.
func (c cloudsModel) of() map[string]types.Object {
	return map[string]types.Object{awsInfra: c.AWS, gcpInfra: c.GCP, kubernetesInfra: c.Kubernetes}
}

// cloudsNeed says what must be said of each cloud.
func cloudsNeed() map[string][]string {
	return map[string][]string{awsInfra: {"access_key", "secret_key"}, gcpInfra: {"credentials"}, kubernetesInfra: {"kubeconfig"}}
}

// cloudsAt is where it stands.
const cloudsAt = "cloud_credentials_wo"

// validateClouds says what is missing from credentials, and what of them can never be.
func (m serviceModel) validateClouds(ctx context.Context) diag.Diagnostics {
	var diags diag.Diagnostics
	c, ok := decode[cloudsModel](ctx, m.CloudsWO, &diags)
	if !ok {
		return diags
	}
	if m.CloudsWOVersion.IsNull() {
		invalid(&diags, path.Root(cloudsAt), "It needs cloud_credentials_wo_version: Terraform does not see whether credentials that are in no state have changed: write 1, and another number when they are to be sent again.")
	}
	infra, _ := m.infra(ctx, &diags)
	m.uselessCredentials(ctx, infra, &diags)
	all := c.of()
	for _, cloud := range slices.Sorted(maps.Keys(all)) {
		if !known(all[cloud]) {
			continue
		}
		for _, name := range cloudsNeed()[cloud] {
			value, _ := all[cloud].Attributes()[name].(types.String)
			at := path.Root(cloudsAt).AtName(cloud).AtName(name)
			switch {
			case value.IsNull():
				invalid(&diags, at, "It is missing, and the rest is of no use without it.")
			case known(value) && value.ValueString() == "":
				invalid(&diags, at, "It is empty.")
			case known(value) && name == "credentials" && !json.Valid([]byte(value.ValueString())):
				invalid(&diags, at, "It is not JSON. It is the content of the file of a key, as in file(\"key.json\"), and not its name.")
			}
		}
	}
	return diags
}

// given reports whether the controller is, or may be, given credentials for a cloud.
func (m serviceModel) given(ctx context.Context, cloud string) bool {
	var diags diag.Diagnostics
	c, _ := decode[cloudsModel](ctx, m.CloudsWO, &diags)
	object, possible := c.of()[cloud]
	return possible && (m.CloudsWO.IsUnknown() || !object.IsNull())
}

// uselessCredentials says what nobody would look at: a controller in a cloud or in a
// cluster is known there already.
func (m serviceModel) uselessCredentials(ctx context.Context, infra string, diags *diag.Diagnostics) {
	if infra != localInfra && known(m.CloudsWO) && m.given(ctx, infra) {
		by := "machine that it is on"
		if infra == kubernetesInfra {
			by = "service account of its pods"
		}
		invalid(diags, path.Root(cloudsAt).AtName(infra), fmt.Sprintf("A controller on %q is known there by the %s. Leave it out.", infra, by))
	}
}

// cloudCredentials gives what the controller is to show clouds, each cloud's in the
// form of its attributes in JSON, but for Google's own, which is JSON already.
func (m serviceModel) cloudCredentials(ctx context.Context, diags *diag.Diagnostics) serve.CloudCredentials {
	all := serve.CloudCredentials{}
	c, _ := decode[cloudsModel](ctx, m.CloudsWO, diags)
	for cloud, object := range c.of() {
		if !known(object) {
			continue
		}
		said := map[string]string{}
		for name, value := range object.Attributes() {
			if text, ok := value.(types.String); ok && known(text) {
				said[name] = text.ValueString()
			}
		}
		if cloud == gcpInfra {
			all[cloud] = said["credentials"]
			continue
		}
		text, err := json.Marshal(said)
		if err != nil {
			panic(err) // texts can always be written
		}
		all[cloud] = string(text)
	}
	return all
}

// missingCredentials names the clouds that machines may be in, and that would not know
// a controller where it is to run.
func (m serviceModel) missingCredentials(ctx context.Context, r serve.Resources, infra string) serve.FieldErrors {
	var diags diag.Diagnostics
	var errs serve.FieldErrors
	c, _ := decode[cloudsModel](ctx, m.CloudsWO, &diags)
	if m.CloudsWO.IsUnknown() || infra == localInfra || infra == kubernetesInfra {
		return nil // which may have some of their own
	}
	if m.CloudsWO.IsNull() && !m.CloudsWOVersion.IsNull() {
		return nil // they were sent before
	}
	for _, e := range entriesOf(r) {
		cloud := e.own.Location().Cloud
		object, needed := c.of()[cloud]
		if cloud == infra || !needed || !object.IsNull() {
			continue
		}
		errs = append(errs, serve.FieldError{
			Path: cloudsAt,
			Message: fmt.Sprintf("A controller on %q is a stranger to the cloud %q, which %s names: give it credentials by %s.%s, or run the controller elsewhere.",
				infra, cloud, e.at, cloudsAt, cloud),
		})
	}
	return errs
}
