// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func loadBalancerAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		Computed:            true,
		Default:             objectdefault.StaticValue(loadBalancerObject(serve.NewSpec("").LoadBalancer)),
		Attributes:          loadBalancerAttributes(),
		MarkdownDescription: "Settings of the endpoint.",
	}
}

func loadBalancerAttributes() map[string]schema.Attribute {
	d := serve.NewSpec("").LoadBalancer
	return map[string]schema.Attribute{
		"stream_timeout_seconds": seconds(d.StreamTimeoutSeconds,
			"For how long a replica may be silent within one response, in seconds."),
		"drain_timeout_seconds": seconds(d.DrainTimeoutSeconds,
			"What requests under way get before the replica that they are at is ended, in seconds: streams have this time to finish. When a machine is about to be taken, its deadline wins."),
		"max_request_bytes": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Greatest size of a request's body, in bytes; larger ones are answered `413`. Defaults to no limit.",
		},
		"api_key_digests": schema.ListAttribute{
			Optional:    true,
			ElementType: types.StringType,
			MarkdownDescription: "SHA-256 digests of the keys of which every request must show one, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`; others are answered `401`. " +
				"Write `sha256(KEY)`: a key that is long and random, as by `random_password`, cannot be found from its digest. To rotate keys, have the old one beside the new one for a while; no replica is restarted. Defaults to letting every request in.",
		},
		"session_affinity": schema.SingleNestedAttribute{
			Optional:   true,
			Attributes: affinityAttributes(),
			MarkdownDescription: "What tells sessions apart: all requests of one go to the same replica, while it is there and has no more than its share of the load (1.25 times the mean). " +
				"Others are sent on by `load_balancing_policy`. Defaults to none.",
		},
		"access_log": schema.BoolAttribute{
			Optional:            true,
			Computed:            true,
			Default:             booldefault.StaticBool(d.AccessLog),
			MarkdownDescription: describe("Whether every request is noted in the controller's log: client, method, host, path without its query, status, bytes, time and replica.", d.AccessLog),
		},
	}
}

func affinityAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"cookie": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Name of a cookie. Clients that have none are given one, until they are closed.",
		},
		"header": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Name of a header, such as `X-Session-Id`. Requests without it belong to no session.",
		},
	}
}

// balancerInto reads load_balancer.
func (m serviceModel) balancerInto(ctx context.Context, lb *serve.LoadBalancer, diags *diag.Diagnostics) {
	given, ok := decode[loadBalancerModel](ctx, m.LoadBalancer, diags)
	if !ok {
		return
	}
	setFloat(&lb.StreamTimeoutSeconds, given.StreamTimeoutSeconds)
	setFloat(&lb.DrainTimeoutSeconds, given.DrainTimeoutSeconds)
	lb.MaxRequestBytes = given.MaxRequestBytes.ValueInt64()
	lb.AccessLog = given.AccessLog.ValueBool()
	lb.APIKeyDigests = texts(ctx, given.APIKeyDigests, diags)
	if a, ok := decode[affinityModel](ctx, given.SessionAffinity, diags); ok {
		lb.SessionAffinity = &serve.SessionAffinity{Cookie: a.Cookie.ValueString(), Header: a.Header.ValueString()}
	}
}

// loadBalancerObject is the way back.
func loadBalancerObject(lb serve.LoadBalancer) types.Object {
	bytes := types.Int64Null()
	if lb.MaxRequestBytes != 0 {
		bytes = types.Int64Value(lb.MaxRequestBytes)
	}
	affinity := types.ObjectNull(attributeTypes(affinityAttributes()))
	if a := lb.SessionAffinity; a != nil {
		affinity = types.ObjectValueMust(attributeTypes(affinityAttributes()), map[string]attr.Value{"cookie": text(a.Cookie), "header": text(a.Header)})
	}
	return types.ObjectValueMust(attributeTypes(loadBalancerAttributes()), map[string]attr.Value{
		"stream_timeout_seconds": number(lb.StreamTimeoutSeconds),
		"drain_timeout_seconds":  number(lb.DrainTimeoutSeconds),
		"max_request_bytes":      bytes,
		"api_key_digests":        textList(lb.APIKeyDigests),
		"session_affinity":       affinity,
		"access_log":             types.BoolValue(lb.AccessLog),
	})
}
