// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// observedAttributes describes everything that is computed. Only what never
// changes after create keeps its value in plans; ModifyPlan decides on the rest.
func observedAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{
			Computed:            true,
			PlanModifiers:       stable(),
			MarkdownDescription: "The same as `name`.",
		},
		"endpoint": schema.StringAttribute{
			Computed:            true,
			PlanModifiers:       stable(),
			MarkdownDescription: "URL at which the service answers. It stays the same for the life of the service.",
		},
		"created_at": schema.StringAttribute{
			Computed:            true,
			PlanModifiers:       stable(),
			MarkdownDescription: "When the service was created, in RFC 3339.",
		},
		"revision": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of the newest accepted spec, counted from 1. It grows by one with every change of what the service is.",
		},
		"tls_digest": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "Digest of the certificate file in `tls`, so that a renewed one shows as a diff. " +
				"The key needs none: a certificate fits one key only. With `acme` it is the digest of that, and stays when certificates are renewed.",
		},
		"workdir_digest": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "Digest of the content of `workdir`, so that an edited file shows as a diff. " +
				"A file that is edited after the plan was made must be planned again.",
		},
		"file_mounts_digests": schema.MapAttribute{
			Computed:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Digest of the content of each of `file_mounts`, so that an edited file shows as a diff.",
		},
		"status": schema.SingleNestedAttribute{
			Computed:   true,
			Attributes: statusAttributes(),
			MarkdownDescription: "How the service was when Terraform last looked. It moves by itself and never causes a diff; " +
				"`data.serve_service` has more of it.",
		},
		"replica_status": schema.MapNestedAttribute{
			Computed:     true,
			NestedObject: schema.NestedAttributeObject{Attributes: replicaAttributes()},
			MarkdownDescription: "Each replica as it was when Terraform last looked, by its id. (The name `replicas` is taken by the number that is asked for.) " +
				"It moves by itself and never causes a diff.",
		},
	}
}

func statusAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"phase": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "State of the service: `CONTROLLER_INIT`, `NO_REPLICA`, `READY`, `FAILED`, `SHUTTING_DOWN` or `FAILED_CLEANUP`; " +
				"`CONTROLLER_FAILED` while the controller does not answer, and then the next apply starts it again.",
		},
		"ready": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of replicas that are ready.",
		},
		"total": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of replicas that have not failed.",
		},
		"spot": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of spot replicas that are ready.",
		},
		"on_demand": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of on-demand replicas that are ready.",
		},
		"failed": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Number of records of failed replicas.",
		},
		"message": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Why the service has failed; null while it has not.",
		},
	}
}

func replicaAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"market": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "`spot` or `on_demand`.",
		},
		"location": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Where its machine is, as `cloud/region/zone`; null while none has been chosen.",
		},
		"revision": schema.Int64Attribute{
			Computed:            true,
			MarkdownDescription: "Revision it runs.",
		},
		"status": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "State of the replica, such as `PROVISIONING`, `STARTING` or `READY`.",
		},
		"endpoint": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "URL of the replica itself; null until it has a machine.",
		},
		"launched_at": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "When its machine came up, in RFC 3339; null before.",
		},
	}
}
