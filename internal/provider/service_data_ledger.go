// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// viewInterruption is one of the last interruptions.
type viewInterruption struct {
	ReplicaID     types.Int64   `tfsdk:"replica_id"`
	Market        types.String  `tfsdk:"market"`
	Location      types.String  `tfsdk:"location"`
	At            types.String  `tfsdk:"at"`
	NoticeSeconds types.Float64 `tfsdk:"notice_seconds"`
	BelowSeconds  types.Float64 `tfsdk:"below_target_seconds"`

	RequestsRetried types.Int64 `tfsdk:"requests_retried"`
	RequestsLost    types.Int64 `tfsdk:"requests_lost"`
}

// interruptionsSchema describes them.
func interruptionsSchema() schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Computed:            true,
		MarkdownDescription: "The last 50 times that a machine was taken or lost, oldest first, and what that cost.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"replica_id":           viewNumber("The replica whose machine it was."),
			"market":               viewText("`spot` or `on_demand`."),
			"location":             viewText("Where the machine was, as `cloud/region/zone`."),
			"at":                   viewText("When it was heard of, in RFC 3339."),
			"notice_seconds":       viewFloat("How long before its end that was."),
			"below_target_seconds": viewFloat("For how long fewer replicas than the target took requests until it was made good."),
			"requests_retried":     viewNumber("How many requests the replica failed that were sent to another one. Those it failed before anybody knew of its end are among them."),
			"requests_lost":        viewNumber("How many requests got no answer, or only the beginning of one, because the replica failed."),
		}},
	}
}

// account fills in what the service has cost.
func (m *viewModel) account(books serve.Ledger) {
	m.Spent, m.Saved = number(books.Spent()), number(books.Saved)
	m.Interruptions = make([]viewInterruption, len(books.Interruptions))
	for i, one := range books.Interruptions {
		m.Interruptions[i] = viewInterruption{
			ReplicaID:     types.Int64Value(one.Replica),
			Market:        types.StringValue(string(one.Market)),
			Location:      types.StringValue(one.Location.String()),
			At:            moment(one.At),
			NoticeSeconds: number(one.NoticeSeconds),
			BelowSeconds:  number(one.BelowSeconds),

			RequestsRetried: types.Int64Value(one.RequestsRetried),
			RequestsLost:    types.Int64Value(one.RequestsLost),
		}
	}
}
