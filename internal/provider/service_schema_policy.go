// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func policyAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:   true,
		Attributes: policyAttributes(),
		MarkdownDescription: "How many replicas there are and in which market, in place of `replicas`. " +
			"The fallback options need `use_spot = true` in every entry of `resources`.",
	}
}

func policyAttributes() map[string]schema.Attribute {
	d := serve.NewSpec("").ReplicaPolicy
	return map[string]schema.Attribute{
		"min_replicas": schema.Int64Attribute{
			Required:            true,
			MarkdownDescription: "Least number of replicas, `0` or more.",
		},
		"max_replicas": schema.Int64Attribute{
			Optional:            true,
			Computed:            true,
			PlanModifiers:       []planmodifier.Int64{minUnlessSet{}},
			MarkdownDescription: "Greatest number of replicas. Needed with `target_qps_per_replica`, `target_concurrency_per_replica` or `external_metric`. Defaults to `min_replicas`.",
		},
		"target_qps_per_replica": schema.DynamicAttribute{
			Optional: true,
			MarkdownDescription: "Number of requests per second that one replica is meant to take; with it the number of replicas follows the load. " +
				"Either a number, or with the load balancing policy `" + string(serve.InstanceAwareLeastLoad) + "` a number for each accelerator: `{ \"A100\" = 2.5, \"A10G\" = 0.5 }`.",
		},
		"target_concurrency_per_replica": schema.Float64Attribute{
			Optional: true,
			MarkdownDescription: "Number of requests that one replica is meant to have under way at a time, as the mean of a minute, those included that wait for a replica; with it the number of replicas follows the load. " +
				"It fits requests of very different length, such as those of LLMs, better than `target_qps_per_replica`; with both, the one counts that asks for more replicas.",
		},
		"external_metric": schema.SingleNestedAttribute{
			Optional:   true,
			Attributes: metricAttributes(),
			MarkdownDescription: "A number from elsewhere to scale by, such as the length of a queue: the controller asks for it every 20 seconds. " +
				"While it cannot be had, no replica is ended and none launched because of it. With other targets the one counts that asks for the most replicas. Defaults to none.",
		},
		"schedules": schema.ListNestedAttribute{
			Optional:            true,
			NestedObject:        schema.NestedAttributeObject{Attributes: scheduleAttributes()},
			MarkdownDescription: "Other limits at certain hours, in place of `min_replicas` and `max_replicas`; of those in force the first counts. Defaults to none.",
		},
		"num_overprovision":     count(d.NumOverprovision, "Number of replicas kept beyond what the load asks for. On-demand replicas never stand in for these."),
		"upscale_delay_seconds": seconds(d.UpscaleDelaySeconds, "For how long the load must ask for more replicas before they are launched, in seconds."),
		"downscale_delay_seconds": seconds(d.DownscaleDelaySeconds,
			"For how long the load must ask for fewer replicas before they are ended, in seconds."),
		"base_ondemand_fallback_replicas": count(d.BaseOndemandFallbackReplicas, "Number of replicas that are always on-demand."),
		"dynamic_ondemand_fallback": schema.BoolAttribute{
			Optional:            true,
			Computed:            true,
			Default:             booldefault.StaticBool(d.DynamicOndemandFallback),
			MarkdownDescription: describe("Whether on-demand replicas stand in for spot replicas that are not ready, until they are.", d.DynamicOndemandFallback),
		},
		"dynamic_ondemand_fallback_delay_seconds": seconds(d.DynamicOndemandFallbackDelaySeconds,
			"For how long a spot replica that was ready may fail its probes before an on-demand one is started for it, in seconds. "+
				"For spot replicas that are gone or have never been ready one is started at once."),
		"spot_placer": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Rule that spreads spot replicas over locations. `" + serve.SteadyPlacer + "` takes the cheapest place in the long run: " +
				"what was lost there before counts as well as the price, no more than half of the replicas are put in one place if another is nearly as cheap, " +
				"and when machines are lost again and again, on-demand replicas and spares are kept until the pools have calmed down. `" +
				serve.DynamicFallbackPlacer + "` is SkyServe's rule to the letter, and `" + serve.SpotHedgePlacer + "` that of the SpotHedge paper, to compare with. " +
				"Defaults to `" + serve.SteadyPlacer + "`. See the guide on the spot policy.",
		},
	}
}

// count is a number of replicas with a default.
func count(byDefault int, text string) schema.Int64Attribute {
	return schema.Int64Attribute{
		Optional:            true,
		Computed:            true,
		Default:             int64default.StaticInt64(int64(byDefault)),
		MarkdownDescription: describe(text, byDefault),
	}
}

func metricAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"url": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "URL that is asked by a `GET`, and must answer `200`. The controller must reach it.",
		},
		"field": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Where the number is in an answer that is a JSON document: names and indexes with dots between, such as `queues.0.length`. Without it the answer is the number.",
		},
		"target_per_replica": schema.Float64Attribute{
			Required:            true,
			MarkdownDescription: "How much of it one replica is meant for.",
		},
	}
}
