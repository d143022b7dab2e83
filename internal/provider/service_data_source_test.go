// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestTheDataSourceShowsWhatMoves(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	config := service("replicas = 2")
	shows := func(value knownvalue.Check, path tfjsonpath.Path) statecheck.StateCheck {
		return statecheck.ExpectKnownValue(view, path, value)
	}
	run(t, f,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				f.alter("web", func(c *controller) {
					c.svc.QPS, c.svc.CostPerHour, c.svc.ActiveRevisions, c.svc.Message = 1.5, 1, []int64{1}, "All is well"
					c.svc.StatusPage = "http://127.0.0.1:40001/"
					c.svc.Good, c.svc.RolledBack = 1, &serve.RolledBack{Revision: 2, Good: 1, Reason: "replica 3 failed"}
					c.svc.Ledger = serve.Ledger{Spot: serve.Usage{Dollars: 1.5}, OnDemand: serve.Usage{Dollars: 0.25}, Saved: 3, At: time.Unix(1700000000, 0),
						Interruptions: []serve.Interruption{{Replica: 4, Market: serve.Spot, Location: serve.ParseLocation("local/west/west-a"), At: time.Unix(1700000000, 0), NoticeSeconds: 120, BelowSeconds: 1.5, RequestsRetried: 6, RequestsLost: 1}}}
					c.svc.History = []serve.Revised{
						{Revision: 2, At: time.Unix(1700000000, 0), Changed: []string{"envs", "run"}, GivenUpAt: time.Unix(1700000000, 0), Reason: "replica 3 failed"},
						{Revision: 3, At: time.Unix(1700000000, 0), BackTo: 1, ProvenAt: time.Unix(1700000000, 0)},
					}
					c.svc.Replicas[1].Message = "On-demand stands in"
					c.svc.Pools = []serve.Pool{{Location: serve.ParseLocation("local/west/west-a"), Market: serve.Spot, InstanceType: "local-2x4", Preemptions: 2, AvoidedUntil: time.Unix(1700000000, 0)}}
					for i := range 60 {
						c.events = append(c.events, serve.Event{Seq: int64(i + 1), At: time.Unix(1700000000, 0), Kind: serve.EventStatus, ReplicaID: int64(i % 2), Message: fmt.Sprint("event ", i+1)})
					}
				})
			},
			Config: config + `data "serve_service" "web" { name = serve_service.web.name }`,
			ConfigStateChecks: []statecheck.StateCheck{
				shows(knownvalue.StringExact("local"), tfjsonpath.New("infra")),
				shows(knownvalue.StringExact("READY"), tfjsonpath.New("status")),
				shows(knownvalue.StringExact("All is well"), tfjsonpath.New("message")),
				shows(knownvalue.StringExact("http://127.0.0.1:40001/"), tfjsonpath.New("status_page_url")),
				shows(knownvalue.Int64Exact(1), tfjsonpath.New("good_revision")),
				shows(knownvalue.StringExact("Revision 2 was given up for revision 1, as replica 3 failed."), tfjsonpath.New("rolled_back")),
				shows(knownvalue.Int64Exact(2), tfjsonpath.New("ready")),
				shows(knownvalue.Int64Exact(2), tfjsonpath.New("target")),
				shows(knownvalue.Float64Exact(1.5), tfjsonpath.New("qps")),
				shows(knownvalue.Int64Exact(1), tfjsonpath.New("cost_per_hour")),
				shows(knownvalue.Float64Exact(1.75), tfjsonpath.New("spent")),
				shows(knownvalue.Int64Exact(3), tfjsonpath.New("saved")),
				shows(knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
					"replica_id": knownvalue.Int64Exact(4), "market": knownvalue.StringExact("spot"), "location": knownvalue.StringExact("local/west/west-a"),
					"at": knownvalue.StringExact("2023-11-14T22:13:20Z"), "notice_seconds": knownvalue.Int64Exact(120), "below_target_seconds": knownvalue.Float64Exact(1.5),
					"requests_retried": knownvalue.Int64Exact(6), "requests_lost": knownvalue.Int64Exact(1),
				})}), tfjsonpath.New("interruptions")),
				shows(knownvalue.ListExact([]knownvalue.Check{knownvalue.Int64Exact(1)}), tfjsonpath.New("active_revisions")),
				shows(knownvalue.ListExact([]knownvalue.Check{
					knownvalue.ObjectExact(map[string]knownvalue.Check{
						"revision": knownvalue.Int64Exact(2), "accepted_at": knownvalue.StringExact("2023-11-14T22:13:20Z"), "back_to": knownvalue.Null(),
						"changed":   knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact("envs"), knownvalue.StringExact("run")}),
						"proven_at": knownvalue.Null(), "given_up_at": knownvalue.StringExact("2023-11-14T22:13:20Z"), "reason": knownvalue.StringExact("replica 3 failed"),
					}),
					knownvalue.ObjectExact(map[string]knownvalue.Check{
						"revision": knownvalue.Int64Exact(3), "accepted_at": knownvalue.StringExact("2023-11-14T22:13:20Z"), "back_to": knownvalue.Int64Exact(1),
						"changed":   knownvalue.ListExact([]knownvalue.Check{}),
						"proven_at": knownvalue.StringExact("2023-11-14T22:13:20Z"), "given_up_at": knownvalue.Null(), "reason": knownvalue.Null(),
					}),
				}), tfjsonpath.New("revisions")),
				shows(knownvalue.NotNull(), tfjsonpath.New("uptime_seconds")),
				shows(knownvalue.StringExact("On-demand stands in"), tfjsonpath.New("replicas").AtSliceIndex(1).AtMapKey("message")),
				shows(knownvalue.StringExact("on_demand"), tfjsonpath.New("replicas").AtSliceIndex(1).AtMapKey("market")),
				shows(knownvalue.Float64Exact(0.5), tfjsonpath.New("replicas").AtSliceIndex(1).AtMapKey("price")),
				shows(knownvalue.NotNull(), tfjsonpath.New("replicas").AtSliceIndex(1).AtMapKey("age_seconds")),
				shows(knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
					"location": knownvalue.StringExact("local/west/west-a"), "market": knownvalue.StringExact("spot"), "instance_type": knownvalue.StringExact("local-2x4"),
					"refusals": knownvalue.Int64Exact(0), "blocked_until": knownvalue.Null(),
					"preemptions": knownvalue.Int64Exact(2), "avoided_until": knownvalue.StringExact("2023-11-14T22:13:20Z"),
					"lost_at": knownvalue.Null(), "held_since": knownvalue.Null(),
				})}), tfjsonpath.New("pools")),
				shows(knownvalue.ListSizeExact(50), tfjsonpath.New("events")),
				shows(knownvalue.Int64Exact(11), tfjsonpath.New("events").AtSliceIndex(0).AtMapKey("seq")),
				shows(knownvalue.Null(), tfjsonpath.New("events").AtSliceIndex(0).AtMapKey("replica_id")),
				shows(knownvalue.StringExact("event 60"), tfjsonpath.New("events").AtSliceIndex(49).AtMapKey("message")),
			},
		},
	)
}

func TestTheDataSourceNeedsAServiceThatAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what, infra, says string
		there             *controller
	}{
		{"no service", "local", "There is no service \"web\" on local", nil},
		{"no answer", "local", "its controller does not answer", &controller{dead: true}},
		{"no such infra", "moon", `putting a controller on "moon"`, nil},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			f := newInfra(ready)
			if row.there != nil {
				row.there.infra = f
				f.controllers["web"] = row.there
			}
			tf := newTerraform(t, f, fmt.Sprintf("data \"serve_service\" \"web\" {\n name = \"web\"\n infra = %q\n}", row.infra))
			said(t, tf.plan(t), "error", row.says)
		})
	}
}
