// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// placeKey is where Terraform keeps for us in which namespace or region a service was
// made that names none. The provider's own may be another one tomorrow, and a service
// that is looked for in the wrong place would seem to be gone.
const placeKey = "namespace"

// recalled is what Terraform keeps for us.
type recalled interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// noted takes notes that Terraform keeps for us.
type noted interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// recall takes in where the service was made.
func (m *serviceModel) recall(ctx context.Context, private recalled, diags *diag.Diagnostics) {
	data, d := private.GetKey(ctx, placeKey)
	diags.Append(d...)
	if len(data) > 0 && json.Unmarshal(data, &m.MadeIn) != nil {
		m.MadeIn = ""
	}
}

// note has Terraform keep where the service is, if its infra has namespaces.
func (m serviceModel) note(ctx context.Context, d serve.Deployer, private noted, diags *diag.Diagnostics) {
	placed, ok := d.(serve.Namespaced)
	if !ok {
		return
	}
	namespace, err := placed.Namespace()
	if err != nil {
		return // it was reached a moment ago; the next refresh notes it
	}
	diags.Append(noteNamespace(ctx, namespace, private)...)
}

// noteNamespace has Terraform keep a namespace or region.
func noteNamespace(ctx context.Context, namespace string, private noted) (diags diag.Diagnostics) {
	if data, err := json.Marshal(namespace); err == nil && namespace != "" {
		diags = private.SetKey(ctx, placeKey, data)
	}
	return diags
}

// regional reports whether an infra has its controllers in regions. No argument names
// them, so that there is none that an import could fill in.
func regional(infra string) bool { return infra == awsInfra || infra == gcpInfra }

// place gives the infra of the controller, and the namespace or region: the one that
// is named, or the one that the service was made in.
func (m serviceModel) place(ctx context.Context, diags *diag.Diagnostics) (infra, namespace string) {
	infra, namespace = m.infra(ctx, diags)
	if namespace == "" && infra != localInfra {
		namespace = m.MadeIn
	}
	return infra, namespace
}
