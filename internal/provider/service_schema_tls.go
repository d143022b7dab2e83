// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func tlsAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		Attributes:          tlsAttributes(),
		MarkdownDescription: "Makes the endpoint speak HTTPS, with the certificate in `certfile` and `keyfile`, or with those that `acme` has issued.",
	}
}

func tlsAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"keyfile": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Path of the private key, a PEM file. It is read when the plan is applied, and is not kept in state.",
		},
		"certfile": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Path of the certificate with its chain, a PEM file. A change of its content shows in `tls_digest`.",
		},
		"acme": schema.SingleNestedAttribute{
			Optional:   true,
			Attributes: acmeAttributes(),
			MarkdownDescription: "Has certificates issued, and renewed in time, by an authority that speaks ACME, such as Let's Encrypt. " +
				"It convinces itself that the domains are yours by connecting to port 443 of each, which must lead to the endpoint.",
		},
	}
}

func acmeAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"domains": schema.ListAttribute{
			Required:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Names that clients know the endpoint by, such as `api.example.com`. Each has a certificate of its own. Connections for other names are refused.",
		},
		"agree_to_terms": schema.BoolAttribute{
			Required:            true,
			MarkdownDescription: "Whether you agree to the authority's terms of service, which is the condition: it must be `true`.",
		},
		"email": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Where the authority sends its warnings.",
		},
		"directory_url": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "URL of the authority's directory. Defaults to that of Let's Encrypt. " +
				"The machine of the controller must trust the authority's own certificate.",
		},
	}
}
