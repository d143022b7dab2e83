// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// scouted is a place for controllers that have machines from several clouds.
type scouted struct {
	*infra
	clouds []serve.Cloud
}

func (s scouted) Clouds() []string {
	var names []string
	for _, c := range s.clouds {
		names = append(names, c.Name())
	}
	return names
}

func (s scouted) Scout(string) ([]serve.Cloud, error) { return s.clouds, nil }

// options makes a provider with it.
func (s scouted) options() Options {
	return Options{Version: "test", Deployers: func(Settings) (map[string]serve.Deployer, error) {
		return map[string]serve.Deployer{localInfra: s}, nil
	}}
}

// vendor is a cloud that has something to say before it is used.
type vendor struct {
	serve.Cloud // nothing else of it is used
	name        string
	findings    []serve.Finding
	fail        error
	offers      []serve.Offer

	mu    sync.Mutex
	asked []serve.Preflight
}

func (v *vendor) Name() string { return v.name }

func (v *vendor) Offers(context.Context, serve.Resource) ([]serve.Offer, error) {
	return v.offers, v.fail
}

func (v *vendor) Preflight(_ context.Context, p serve.Preflight) ([]serve.Finding, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, p)
	return v.findings, v.fail
}

// others is a cloud that has nothing to say beforehand.
type others struct{ serve.Cloud }

func (others) Name() string { return "local" }

func TestWhatIsInTheWayIsSaidByThePlan(t *testing.T) {
	t.Parallel()
	blocked := []serve.Finding{{Field: "instance_type", Hopeless: true, Message: "There is no such type."}}
	for _, row := range []struct {
		name, provider, resources string
		more                      string
		findings                  []serve.Finding
		fail                      error
		severity, says            string // of the only diagnostic; empty if there is none
		// entries is what the cloud is asked about, by their regions; nil if it is not asked.
		entries []string
	}{
		{name: "nothing", resources: `infra = "aws/us-east-1"`, entries: []string{"us-east-1"}},
		{name: "a cloud that is not named is not asked", resources: `cpus = 2`, findings: blocked},
		{
			name: "no hope", resources: "infra = \"aws/us-east-1\"\ninstance_type = \"x\"", findings: blocked, entries: []string{"us-east-1"},
			severity: "error", says: "No machine for resources.instance_type: There is no such type.",
		},
		{
			name: "some hope", resources: `infra = "aws/us-east-1"`, findings: []serve.Finding{{Message: "The quota is small."}}, entries: []string{"us-east-1"},
			severity: "warning", says: "Machines may be missing for resources: The quota is small.",
		},
		{
			name:      "no hope for one of two entries",
			resources: "any_of = [{ infra = \"aws/us-east-1\", instance_type = \"x\" }, { infra = \"aws/us-west-2\" }]", findings: blocked, entries: []string{"us-east-1", "us-west-2"},
			severity: "warning", says: "Machines may be missing for resources.any_of[0].instance_type: There is no such type.",
		},
		{
			name:      "no hope for what the outer description says, where another cloud may do",
			resources: "instance_type = \"x\"\nordered = [{ infra = \"local\" }, { infra = \"aws/us-west-2\" }]", findings: blocked, entries: []string{"us-west-2"},
			severity: "warning", says: "Machines may be missing for resources.instance_type: There is no such type.",
		},
		{
			name:      "what is so for two entries is said once",
			resources: "any_of = [{ infra = \"aws/us-east-1\" }, { infra = \"aws/us-west-2\" }]", entries: []string{"us-east-1", "us-west-2"},
			findings: []serve.Finding{{Entry: 0, Hopeless: true, Message: "You may not."}, {Entry: 1, Hopeless: true, Message: "You may not."}},
			severity: "error", says: "No machine for resources.any_of[0], resources.any_of[1]: You may not.",
		},
		{
			name:      "what is so for all entries together",
			resources: "any_of = [{ infra = \"aws/us-east-1\" }, { infra = \"aws/us-west-2\" }]", entries: []string{"us-east-1", "us-west-2"},
			findings: []serve.Finding{{Entry: serve.AllEntries, Hopeless: true, Message: "The quota is 0."}},
			severity: "error", says: "No machine for resources: The quota is 0.",
		},
		{
			name: "no way to the cloud", resources: `infra = "aws/us-east-1"`, fail: fmt.Errorf("dialing: %w", serve.ErrUnreachable), entries: []string{"us-east-1"},
			severity: "warning", says: `Machines may be missing for resources.infra: Whether the cloud "aws" has such machines for this account could not be found out. dialing: unreachable`,
		},
		{
			name: "nobody lets us in", resources: `infra = "aws/us-east-1"`, fail: fmt.Errorf("no credentials: %w", serve.ErrUnauthorized), entries: []string{"us-east-1"},
			severity: "error", says: "No machine for resources.infra",
		},
		{
			name: "nobody lets us in, where another cloud may do", resources: `any_of = [{ infra = "aws/us-east-1" }, { infra = "local" }]`,
			fail: fmt.Errorf("no credentials: %w", serve.ErrUnauthorized), entries: []string{"us-east-1"},
			severity: "warning", says: "Machines may be missing for resources.any_of[0].infra",
		},
		{name: "an entry that is not known yet is left alone", resources: `any_of = [{ infra = "aws/us-east-1" }, { infra = "aws/us-west-2", cpus = LATE }]`, entries: []string{"us-east-1"}},
		{name: "what all entries have and is not known yet", resources: "cpus = LATE\nany_of = [{ infra = \"aws/us-east-1\" }]"},
		{name: "resources that are not known yet", resources: "infra = LATE", findings: blocked},
		{name: "labels that are not known yet do not matter", resources: "infra = \"aws/us-east-1\"\nlabels = { a = LATE }", entries: []string{"us-east-1"}},
		{
			name: "a cloud that the controller shows credentials of its own", resources: `infra = "aws/us-east-1"`,
			more: "cloud_credentials_wo = { aws = { access_key = \"AKIA1\", secret_key = \"x\" } }\ncloud_credentials_wo_version = 1",
			fail: fmt.Errorf("no credentials: %w", serve.ErrUnauthorized),
		},
		{name: "how AWS is reached is not known yet", provider: "aws = { region = LATE }", resources: `infra = "aws/us-east-1"`, findings: blocked},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			v := &vendor{name: "aws", findings: row.findings, fail: row.fail}
			s := scouted{newInfra(ready), []serve.Cloud{others{}, v}}
			tf := newTerraformWith(t, s.options(), strings.ReplaceAll(`provider "serve" {
  `+row.provider+`
}
resource "terraform_data" "late" { input = "80" }
resource "serve_service" "web" {
  name      = "web"
  run       = "python3 server.py"
  replicas  = 3
  resources = {
    ports = 8081
    `+row.resources+`
  }
  `+row.more+`
}
`, "LATE", "terraform_data.late.output"))
			found := tf.plan(t)
			switch {
			case row.says == "" && len(found) == 0:
			case len(found) != 1 || found[0].Severity != row.severity:
				t.Fatalf("got %+v, want one %s that says %q", found, row.severity, row.says)
			default:
				if text := strings.Join(strings.Fields(found[0].Summary+": "+found[0].Detail), " "); !strings.Contains(text, row.says) || !strings.Contains(found[0].Snippet.Code, "resources") {
					t.Errorf("got %q at %q, want %q", text, found[0].Snippet.Code, row.says)
				}
			}
			var entries []string
			for _, p := range v.asked {
				for _, e := range p.Entries {
					entries = append(entries, e.Location().Region)
				}
				if p.Service != "web" || p.Spot != 0 || p.OnDemand != 3 {
					t.Errorf("asked for %+v", p)
				}
			}
			if len(v.asked) > 1 || !slices.Equal(entries, row.entries) {
				t.Errorf("%d times asked about %v, want once about %v", len(v.asked), entries, row.entries)
			}
		})
	}
}

// A plan that changes nothing about machines asks nobody about machines.
func TestCloudsAreAskedOnlyWhenOtherMachinesAreWanted(t *testing.T) {
	t.Parallel()
	v := &vendor{name: "aws"}
	s := scouted{newInfra(ready), []serve.Cloud{v}}
	config := func(more string) string { return service("resources = {\nports = 8081\n" + more + "\n}") }
	clean := func(text string) string { return strings.Replace(text, "  resources = { ports = 8081 }\n", "", 1) }
	tf := newTerraformWith(t, s.options(), clean(config("")))
	for _, row := range []struct {
		name, config string
		asks         bool
	}{
		{"a new service", config(""), true},
		{"the same", config(""), false},
		{"another program", strings.Replace(config(""), "server.py", "other.py", 1), false},
		{"other machines", strings.Replace(config("cpus = 4"), "server.py", "other.py", 1), true},
	} {
		before := len(v.asked)
		tf.write(t, clean(row.config))
		if found, ok := tf.apply(t); !ok || len(found) > 0 {
			t.Fatalf("%s: applying gave %+v", row.name, found)
		}
		if asks := len(v.asked) > before; asks != row.asks {
			t.Errorf("%s: asked is %v", row.name, asks)
		}
	}
}

func (others) Offers(context.Context, serve.Resource) ([]serve.Offer, error) { return nil, nil }
