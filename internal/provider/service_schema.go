// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/float64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// localInfra is where controllers run when nothing else is said.
	localInfra = "local"
	// defaultTimeout is for how long create, update and delete wait when nothing
	// else is said: the time a machine with a large image takes, twice over.
	defaultTimeout = 20 * time.Minute
)

// serviceSchema describes a serve_service.
func serviceSchema(ctx context.Context) schema.Schema {
	attributes := map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required:      true,
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: "Name of the service, unique where its controller runs: a letter, then letters, digits, `-`, `_` and `.`, " +
				"and a letter or digit at the end. Changing it makes another service.",
		},
		"readiness_probe": probeAttribute(),
		"replicas": schema.Int64Attribute{
			Optional: true,
			Computed: true,
			PlanModifiers: []planmodifier.Int64{
				oneUnlessPolicy{},
			},
			Validators: []validator.Int64{int64validator.ConflictsWith(path.MatchRoot("replica_policy"))},
			MarkdownDescription: "A fixed number of replicas, in place of `replica_policy`. Defaults to `1` when there is no `replica_policy` either. " +
				"This is what is asked for; what there is stands in `replica_status`.",
		},
		"replica_policy": policyAttribute(),
		"resources":      resourcesAttribute(),
		"ports": schema.Int64Attribute{
			Optional: true,
			MarkdownDescription: "The one port of a replica that receives traffic, 1 to 65535; needed only when `resources` open several. " +
				"Defaults to the only port they open.",
		},
		"load_balancing_policy": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			Default:             stringdefault.StaticString(string(serve.NewSpec("").LoadBalancingPolicy)),
			MarkdownDescription: describe("Rule by which the endpoint picks a replica for a request: one of "+words(serve.LoadBalancingPolicies())+".", serve.NewSpec("").LoadBalancingPolicy),
		},
		"load_balancer":  loadBalancerAttribute(),
		"update_mode":    updateModeAttribute(),
		"rollback":       rollbackAttribute(),
		"rolling_update": rollingAttribute(),
		"tls":            tlsAttribute(),
		"workdir": schema.StringAttribute{
			Optional:   true,
			Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			MarkdownDescription: "Path of a local directory that becomes the working directory of `setup` and `run`. " +
				"What a `.skyignore` file in it lists stays behind, or without one what its `.gitignore` files list. Its content is part of the plan: see `workdir_digest`.",
		},
		"file_mounts": schema.MapAttribute{
			Optional:    true,
			ElementType: types.StringType,
			MarkdownDescription: "Local files and directories to put on every replica: path on the replica to local path. " +
				"Their content is part of the plan: see `file_mounts_digests`.",
		},
		"setup": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Shell script run once on every replica before `run`.",
		},
		"run": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Shell script that is the server. It listens on the port in `$PORT`.",
		},
		"envs": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Environment variables of `setup` and `run`. They are shown and kept in state; what must not be belongs into `secrets_wo`.",
		},
		"secrets_wo": schema.MapAttribute{
			Optional:    true,
			Sensitive:   true,
			WriteOnly:   true,
			ElementType: types.StringType,
			MarkdownDescription: "Environment variables of `setup` and `run` that are never shown and never in plan or state (write-only, needs Terraform 1.11 or newer). " +
				"They are sent when the service is created, and afterwards only when `secrets_wo_version` changes.",
		},
		"secrets_wo_version": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Change it to have `secrets_wo` sent again, as a new revision. Without a change the service keeps the secrets it has.",
		},
		"controller":           controllerAttribute(),
		"cloud_credentials_wo": cloudsAttribute(),
		"cloud_credentials_wo_version": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Change it to have `cloud_credentials_wo` sent again, which takes the place of all that was sent before. Replicas go on as they are. A controller that runs shows a cloud the other key within seconds, if the cloud lets it in; else it goes on with the one before and says so in its events. Without a change the controller keeps what it has.",
		},
		"wait_for_ready": schema.BoolAttribute{
			Optional: true,
			Computed: true,
			Default:  booldefault.StaticBool(true),
			MarkdownDescription: describe("Whether create and update wait until as many replicas of the newest revision are ready as are wanted. "+
				"A wait that runs into its timeout ends with a warning: the controller keeps trying, and nothing is tainted.", true),
		},
		"timeouts": timeoutsAttribute(ctx),
	}
	maps.Copy(attributes, observedAttributes())
	return schema.Schema{
		Version: 0,
		MarkdownDescription: "An HTTP service on a mixture of spot and on-demand replicas behind one stable endpoint. " +
			"A controller beside the replicas replaces what is preempted, lets on-demand replicas stand in while spot ones are short, and scales with the load. " +
			"Everything but the name and the place of the controller is updated in place, by a new revision that takes over replica by replica.\n\n" +
			"Create and update wait for replicas to become ready; `TF_LOG_PROVIDER=INFO` shows how that goes. To have a run fail when they do not, " +
			"add a `postcondition` on `self.status.ready`. The service is marked for replacement only when its program cannot run at all.",
		Attributes: attributes,
	}
}

// timeoutsAttribute is the ecosystem's timeouts, with the defaults said.
func timeoutsAttribute(ctx context.Context) schema.Attribute {
	how := fmt.Sprintf(" A duration such as `90s` or `1h30m`. Defaults to `%.0fm`.", defaultTimeout.Minutes())
	a := timeouts.Attributes(ctx, timeouts.Opts{
		Create:            true,
		Update:            true,
		Delete:            true,
		CreateDescription: "For how long create waits for replicas to become ready." + how,
		UpdateDescription: "For how long update waits for replicas of the new revision to become ready." + how,
		DeleteDescription: "For how long destroy lets requests under way finish and machines end before it ends what is left itself." + how +
			" It must have been applied before the destroy.",
	})
	if nested, ok := a.(schema.SingleNestedAttribute); ok {
		nested.MarkdownDescription = "For how long to wait."
		return nested
	}
	return a
}

// seconds is a number of seconds with a default.
func seconds(byDefault float64, text string) schema.Float64Attribute {
	return schema.Float64Attribute{
		Optional:            true,
		Computed:            true,
		Default:             float64default.StaticFloat64(byDefault),
		MarkdownDescription: describe(text, byDefault),
	}
}

// describe adds the default to a description.
func describe(text string, byDefault any) string {
	return fmt.Sprintf("%s Defaults to `%v`.", text, byDefault)
}

// stable keeps what is known once and never changes afterwards.
func stable() []planmodifier.String {
	return []planmodifier.String{stringplanmodifier.UseNonNullStateForUnknown()}
}
