// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestThePlanSaysWhatAServiceWouldCost(t *testing.T) {
	t.Parallel()
	offer := func(region string, m serve.Market, price float64) serve.Offer {
		return serve.Offer{Location: serve.Location{Cloud: "aws", Region: region}, Market: m, InstanceType: "m7i.large", Price: price, CPUs: 2, Memory: 8}
	}
	sold := []serve.Offer{offer("us-west-2", serve.Spot, 0.0321), offer("us-east-1", serve.Spot, 0.0302), offer("us-east-1", serve.OnDemand, 0.1008)}
	for _, row := range []struct {
		name, provider, arguments string
		offers                    []serve.Offer
		fail                      error
		want                      string // the cost as JSON
		offered                   int
		says                      string // of the only error
	}{
		{name: "one on demand", arguments: `resources = { infra = "aws" }`, offers: sold, want: `{"on_demand":0.1008,"spot":0,"total":0.1008}`, offered: 3},
		{
			name: "a mixture", offers: sold, want: `{"on_demand":0.1008,"spot":0.0604,"total":0.1612}`, offered: 3,
			arguments: "resources = {\ninfra = \"aws\"\nuse_spot = true\n}\nreplica_policy = {\nmin_replicas = 3\nbase_ondemand_fallback_replicas = 1\n}",
		},
		{name: "several", arguments: "replicas = 10\nresources = { infra = \"aws\" }", offers: sold, want: `{"on_demand":1.008,"spot":0,"total":1.008}`, offered: 3},
		{name: "a market that nobody sells in", arguments: `resources = { infra = "aws" }`, offers: sold[:1], want: `null`, offered: 1},
		{name: "prices that cannot be read", arguments: `resources = { infra = "aws" }`, offers: sold, fail: serve.ErrUnauthorized, want: `null`, offered: 3},
		{name: "another place for the controller", arguments: "infra = \"kubernetes\"\nresources = {}", want: `null`},
		{name: "how AWS is reached is not known yet", provider: `aws = { region = LATE }`, arguments: `resources = { infra = "aws" }`, offers: sold, want: `null`},
		{name: "a mistake", arguments: `resources = { cpus = "many" }`, says: "resources.cpus"},
		{name: "two numbers of replicas", arguments: "resources = {}\nreplicas = 1\nreplica_policy = { min_replicas = 1 }", says: "leave one of them out"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := scouted{newInfra(ready), []serve.Cloud{others{}, &vendor{name: "aws", offers: row.offers, fail: row.fail}}}
			tf := newTerraformWith(t, s.options(), strings.ReplaceAll(fmt.Sprintf(`provider "serve" {
  %s
}
resource "terraform_data" "late" { input = "us-east-1" }
data "serve_estimate" "web" {
  %s
}
output "cost" { value = data.serve_estimate.web.hourly_cost }
output "offers" { value = data.serve_estimate.web.offers }
`, row.provider, row.arguments), "LATE", "terraform_data.late.output"))
			out, ok := tf.command(t, "plan", "-out=plan", "-json")
			found := diagnostics(t, out)
			if row.says != "" {
				said(t, found, "error", row.says)
				return
			}
			if !ok || len(found) > 0 {
				t.Fatalf("planning gave %+v", found)
			}
			shown, _ := tf.command(t, "show", "-json", "plan")
			var plan struct {
				Planned struct {
					Outputs map[string]struct{ Value json.RawMessage } `json:"outputs"`
				} `json:"planned_values"`
			}
			if err := json.Unmarshal([]byte(shown), &plan); err != nil {
				t.Fatal(err)
			}
			got := string(plan.Planned.Outputs["cost"].Value)
			if got == "" {
				got = "null"
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("the cost differs (- wanted, + got):\n%s", diff)
			}
			var offers []json.RawMessage
			if err := json.Unmarshal(plan.Planned.Outputs["offers"].Value, &offers); err != nil || len(offers) != row.offered {
				t.Errorf("got the offers %s, want %d", plan.Planned.Outputs["offers"].Value, row.offered)
			}
			if row.name == "one on demand" && string(offers[0]) != `{"accelerators":null,"cpus":2,"instance_type":"m7i.large","location":"aws/us-east-1","market":"spot","memory":8,"price":0.0302}` {
				t.Errorf("the first offer is %s", offers[0])
			}
		})
	}
}
