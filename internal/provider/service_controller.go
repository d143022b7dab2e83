// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// deployOptions gives how the controller is to be run, and with credentials also what
// it is to show clouds from now on.
func (m serviceModel) deployOptions(ctx context.Context, credentials bool, diags *diag.Diagnostics) serve.DeployOptions {
	c, _ := decode[controllerModel](ctx, m.Controller, diags)
	s, _ := decode[controllerServiceModel](ctx, c.Service, diags)
	o := serve.DeployOptions{
		Image: c.Image.ValueString(), ImageRepository: c.ImageRepository.ValueString(), Copies: int(c.Copies.ValueInt64()),
		Endpoint: serve.EndpointOptions{Type: s.Type.ValueString()},
	}
	if annotations := stringMap(ctx, s.Annotations, diags); len(annotations) > 0 {
		o.Endpoint.Annotations = annotations
	}
	if credentials {
		o.CloudCredentials = m.cloudCredentials(ctx, diags)
	}
	return o
}

// sameEndpoint reports whether two models ask for the same way to the endpoint.
func (m serviceModel) sameEndpoint(ctx context.Context, other serviceModel, diags *diag.Diagnostics) bool {
	one, _ := decode[controllerModel](ctx, m.Controller, diags)
	two, _ := decode[controllerModel](ctx, other.Controller, diags)
	return !m.Controller.IsUnknown() && one.Service.Equal(two.Service)
}

// namespaceProblem says what is wrong with the name of a namespace, nothing if it
// may be one.
func namespaceProblem(name string) string {
	if len(name) <= 63 && regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`).MatchString(name) {
		return ""
	}
	return fmt.Sprintf("%q is not a name of a namespace: that has lower-case letters, digits and \"-\" only, neither begins nor ends with \"-\", and has at most 63 characters.", name)
}

// validateController says what of the controller cannot be.
func (m serviceModel) validateController(ctx context.Context) diag.Diagnostics {
	var diags diag.Diagnostics
	c, ok := decode[controllerModel](ctx, m.Controller, &diags)
	if !ok {
		return diags
	}
	s, _ := decode[controllerServiceModel](ctx, c.Service, &diags)
	at := path.Root("controller")
	c.validateNames(at, &diags)
	if !c.Infra.IsUnknown() && c.Infra.ValueString() != kubernetesInfra {
		c.validateElsewhere(at, &diags)
	}
	if known(c.Image) && known(c.ImageRepository) {
		invalid(&diags, at.AtName("image_repository"), "Either an image is named, or a repository for the one that is bundled; leave one of them out.")
	}
	if n := c.Copies.ValueInt64(); known(c.Copies) && (n < 1 || n > maxCopies) {
		invalid(&diags, at.AtName("copies"), fmt.Sprintf("There can be 1 to %d copies, and not %d.", maxCopies, n))
	}
	kinds := []string{"ClusterIP", "NodePort", "LoadBalancer"}
	if known(s.Type) && !slices.Contains(kinds, s.Type.ValueString()) {
		invalid(&diags, at.AtName("service").AtName("type"), fmt.Sprintf("%q is none of %s.", s.Type.ValueString(), words(kinds)))
	}
	return diags
}

// validateElsewhere refuses what only controllers in a cluster have.
func (c controllerModel) validateElsewhere(at path.Path, diags *diag.Diagnostics) {
	set := map[string]bool{
		"namespace": known(c.Namespace), "image": known(c.Image), "image_repository": known(c.ImageRepository),
		"copies": known(c.Copies), "service": known(c.Service),
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] {
			invalid(diags, at.AtName(name), fmt.Sprintf("Only a controller with infra %q has that.", kubernetesInfra))
		}
	}
}

// validateNames refuses names that cannot be.
func (c controllerModel) validateNames(at path.Path, diags *diag.Diagnostics) {
	for _, name := range []string{"image", "image_repository", "namespace"} {
		value := map[string]types.String{"image": c.Image, "image_repository": c.ImageRepository, "namespace": c.Namespace}[name]
		switch text := value.ValueString(); {
		case !known(value):
		case strings.TrimSpace(text) == "":
			invalid(diags, at.AtName(name), "It is empty. To have the default, leave it out or set it to null.")
		case name == "namespace" && namespaceProblem(text) != "":
			invalid(diags, at.AtName(name), namespaceProblem(text))
		}
	}
}
