// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func probeAttribute() schema.SingleNestedAttribute {
	d := serve.NewSpec("").ReadinessProbe
	return schema.SingleNestedAttribute{
		Optional:            true,
		Computed:            true,
		Default:             objectdefault.StaticValue(probeObject(d)),
		Attributes:          probeAttributes(),
		MarkdownDescription: "How a replica is asked whether it can take traffic. Defaults to a `GET` of `" + d.Path + "` that must answer 200.",
	}
}

func probeAttributes() map[string]schema.Attribute {
	d := serve.NewSpec("").ReadinessProbe
	return map[string]schema.Attribute{
		"path": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			Default:             stringdefault.StaticString(d.Path),
			MarkdownDescription: describe("Path that is asked for; it begins with `/`.", d.Path),
		},
		"post_data": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "A JSON document, as by `jsonencode`; with it the probe is a `POST` of that document.",
		},
		"headers": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "HTTP headers of the probe.",
		},
		"initial_delay_seconds": seconds(d.InitialDelaySeconds,
			"For how long a replica that has never been ready may fail its probes, in seconds from the first failure."),
		"timeout_seconds": seconds(d.TimeoutSeconds,
			"For how long one probe may take, in seconds."),
		"endpoint_probe_interval_seconds": seconds(d.EndpointProbeIntervalSeconds,
			"Pause between two probes of a replica, in seconds."),
		"consecutive_failure_threshold_timeout": seconds(d.ConsecutiveFailureThresholdTimeout,
			"For how long a replica that was ready may go on failing its probes before it is replaced, in seconds."),
	}
}
