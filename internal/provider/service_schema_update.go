// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func updateModeAttribute() schema.StringAttribute {
	d := serve.NewSpec("").UpdateMode
	return schema.StringAttribute{
		Optional: true,
		Computed: true,
		Default:  stringdefault.StaticString(string(d)),
		MarkdownDescription: describe("Rule by which a new revision takes over: one of "+words(serve.UpdateModes())+". With `rolling` an old replica goes for each new one that is ready, "+
			"and both serve meanwhile. With `blue_green` one revision serves at any time: all requests change over at once, when the new one has as many ready replicas as the old one.", d),
	}
}

func rollingAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:   true,
		Attributes: rollingAttributes(),
		MarkdownDescription: "Bounds of an update with `update_mode = \"rolling\"`, which hold at every instant while old replicas serve. " +
			"With bounds, programs are restarted on the machines they are on, where `resources` has not changed and the cloud can do that (`local`, `aws` and `gcp` can). " +
			"Defaults to launching all new replicas at once, and giving up an old one for each that is ready.",
	}
}

func rollingAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"max_surge":       count(1, "How many machines there may be beyond those wanted. With 0 an old replica ends before a new one is launched."),
		"max_unavailable": count(0, "How many replicas less than wanted may be ready because of the update."),
	}
}

func rollbackAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:   true,
		Computed:   true,
		Default:    objectdefault.StaticValue(rollbackObject(serve.NewSpec("").Rollback)),
		Attributes: rollbackAttributes(),
		MarkdownDescription: "When a new revision is given up for the last good one. The controller goes back by itself, the apply that waits for the revision fails and says why, " +
			"and the next plan shows the change again. A revision is good once all its replicas have been ready for `bake_seconds`.",
	}
}

func rollbackAttributes() map[string]schema.Attribute {
	d := serve.NewSpec("").Rollback
	return map[string]schema.Attribute{
		"enabled": schema.BoolAttribute{
			Optional: true,
			Computed: true,
			Default:  booldefault.StaticBool(d.Enabled),
			MarkdownDescription: describe("Whether the controller goes back by itself. If not, a revision that does not work stays the newest, and what is left of the one before serves on.",
				d.Enabled),
		},
		"bake_seconds": seconds(d.BakeSeconds,
			"For how long all replicas must be ready before a revision is good, in seconds. An apply that waits for readiness waits for that, too."),
		"max_failures": count(d.MaxFailures,
			"Number of replicas in a row that may fail before a revision that is not good yet is given up; of those that were there at the same time the first alone counts. "+
				"One that fails for good before any was ready is enough by itself."),
	}
}
