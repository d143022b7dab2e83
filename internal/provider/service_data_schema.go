// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// viewSchema describes data.serve_service.
func viewSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "How a service is at this moment: its replicas with their ages and prices, its load, its cost and what it has saved, and its last events. " +
			"All of it moves by itself; an output that shows it changes with every run.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name of the service.",
			},
			"infra": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "What its controller runs on. Defaults to `" + localInfra + "`.",
			},
			"namespace": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Namespace of its controller, with infra `kubernetes`. Defaults to that of the provider's `kubernetes`.",
			},
			"status":          viewText("State of the service, such as `READY` or `NO_REPLICA`."),
			"message":         viewText("What the service says of its state; null when there is nothing to say."),
			"endpoint":        viewText("URL at which the service answers."),
			"status_page_url": viewText("URL of the service's status page, on the machine that its controller runs on; null for other controllers than `local` ones: in a cluster the page is behind a port of it, and `page` shows that of any service."),
			"created_at":      viewText("When the service was created, in RFC 3339."),
			"revision":        viewNumber("Number of the newest accepted spec."),
			"active_revisions": schema.ListAttribute{
				Computed:            true,
				ElementType:         types.Int64Type,
				MarkdownDescription: "Revisions that have a ready replica, ascending.",
			},
			"good_revision":  viewNumber("Newest revision that has proven itself; null before there is one."),
			"rolled_back":    viewText("Which revision was given up last, and why; null if none was since a spec was accepted."),
			"target":         viewNumber("Number of replicas that the load asks for at present."),
			"ready":          viewNumber("Number of replicas that are ready."),
			"total":          viewNumber("Number of replicas that have not failed."),
			"spot":           viewNumber("Number of spot replicas that are ready."),
			"on_demand":      viewNumber("Number of on-demand replicas that are ready."),
			"failed":         viewNumber("Number of records of failed replicas."),
			"qps":            viewFloat("Mean number of requests per second over the last minute."),
			"cost_per_hour":  viewFloat("What the machines cost at present, in US dollars per hour."),
			"spent":          viewFloat("What all machines have cost so far, in US dollars."),
			"saved":          viewFloat("What the spot machines would have cost more on demand so far, in US dollars."),
			"interruptions":  interruptionsSchema(),
			"uptime_seconds": viewNumber("Seconds since the first replica became ready; null before."),
			"replicas": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Every replica, in order of id.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":            viewNumber("Number of the replica, never used twice."),
					"revision":      viewNumber("Revision it runs."),
					"market":        viewText("`spot` or `on_demand`."),
					"status":        viewText("State of the replica, such as `PROVISIONING`, `STARTING` or `READY`."),
					"location":      viewText("Where its machine is, as `cloud/region/zone`; null while none has been chosen."),
					"instance_type": viewText("The cloud's name for its type of machine."),
					"price":         viewFloat("Price of its machine, in US dollars per hour."),
					"endpoint":      viewText("URL of the replica itself; null until it has a machine."),
					"launched_at":   viewText("When its machine came up, in RFC 3339; null before."),
					"age_seconds":   viewNumber("Seconds since its machine came up; null before."),
					"message":       viewText("Why it waits or has failed."),
				}},
			},
			"pools": schema.ListNestedAttribute{
				Computed: true,
				MarkdownDescription: "What is remembered of the pools that machines come from, each the machines of one type in one location and market. " +
					"Pools of which nothing is remembered are left out.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"location":      viewText("Where the pool is, as `cloud/region/zone`."),
					"market":        viewText("`spot` or `on_demand`."),
					"instance_type": viewText("The cloud's name for the type of machine."),
					"refusals":      viewNumber("Number of launches in a row that found no capacity."),
					"blocked_until": viewText("When the next launch is tried there after a refusal, in RFC 3339; null if there was none lately."),
					"preemptions":   viewNumber("Number of times in a row that machines were taken there."),
					"avoided_until": viewText("Until when other pools are preferred after machines were taken, in RFC 3339; null if none were lately."),
					"lost_at":       viewText("When machines were last taken there, in RFC 3339; null if that was too long ago to matter."),
					"held_since":    viewText("Since when spot machines are held there without a break, in RFC 3339; null while none are."),
				}},
			},
			"revisions": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What became of the last 20 revisions, oldest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"revision":    viewNumber("Number of the revision, counted from 1."),
					"accepted_at": viewText("When it was accepted, in RFC 3339."),
					"changed": schema.ListAttribute{Computed: true, ElementType: types.StringType,
						MarkdownDescription: "Names of the arguments in which it differs from the one before; empty for the first."},
					"back_to":     viewNumber("The revision that was gone back to by it, after one was given up; null for one that somebody has applied."),
					"proven_at":   viewText("When it had proven itself, so that later ones can go back to it, in RFC 3339; null before."),
					"given_up_at": viewText("When it was given up, in RFC 3339; null if it was not."),
					"reason":      viewText("Why it was given up; null if it was not."),
				}},
			},
			"events": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The last 50 events, oldest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"seq":        viewNumber("Number of the event, counted from 1."),
					"at":         viewText("When it happened, in RFC 3339."),
					"kind":       viewText("`decision`, `status`, `notice`, `spec`, `recovery` or `error`."),
					"replica_id": viewNumber("The replica it is about; null for the whole service."),
					"message":    viewText("What happened."),
				}},
			},
		},
	}
}

func viewText(text string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: text}
}

func viewNumber(text string) schema.Int64Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: text}
}

func viewFloat(text string) schema.Float64Attribute {
	return schema.Float64Attribute{Computed: true, MarkdownDescription: text}
}
