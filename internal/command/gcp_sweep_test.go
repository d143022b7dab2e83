// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// markLabel is the value of the label that markKey is the key of: labels have no spaces.
const markLabel = "may-be-ended-at-any-time"

// ruleBegins is how the firewall rules of the example begin. Rules have no labels.
const ruleBegins = "serve-http-server-gcp-"

// gcpItself is a project of Google Cloud itself, which SERVE_TEST_GCP names.
type gcpItself struct {
	t         *testing.T
	project   string
	instances *compute.InstancesClient
	firewalls *compute.FirewallsClient
}

func newGCPItself(t *testing.T) gcpItself {
	t.Helper()
	project := os.Getenv("SERVE_TEST_GCP")
	if project == "" {
		t.Skip("costs money; make test-gcp runs it in the project of whoever does")
	}
	g, err := openProject(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	g.t = t
	return g
}

func openProject(ctx context.Context, project string, options ...option.ClientOption) (gcpItself, error) {
	instances, err := compute.NewInstancesRESTClient(ctx, options...)
	if err != nil {
		return gcpItself{}, err
	}
	firewalls, err := compute.NewFirewallsRESTClient(ctx, options...)
	return gcpItself{project: project, instances: instances, firewalls: firewalls}, err
}

func (gcpItself) patience() time.Duration { return 15 * time.Minute }

// all gives the instances that there are, of which some are ours.
func (g gcpItself) all(ctx context.Context) (all []*computepb.Instance, err error) {
	pages := g.instances.AggregatedList(ctx, &computepb.AggregatedListInstancesRequest{Project: g.project})
	for {
		zone, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, zone.Value.GetInstances()...)
	}
}

// rules gives the firewall rules of the example that no instance is for any more.
func (g gcpItself) rules(ctx context.Context) (rules []string, err error) {
	all, err := g.all(ctx)
	if err != nil {
		return nil, err
	}
	var used []string
	for _, i := range all {
		used = append(used, i.GetTags().GetItems()...)
	}
	pages := g.firewalls.List(ctx, &computepb.ListFirewallsRequest{Project: g.project})
	for {
		rule, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			return rules, nil
		}
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(rule.GetName(), ruleBegins) && !slices.ContainsFunc(rule.GetTargetTags(), func(tag string) bool { return slices.Contains(used, tag) }) {
			rules = append(rules, rule.GetName())
		}
	}
}

func isOurs(i *computepb.Instance) bool { return i.GetLabels()[markKey] == markLabel }

func (g gcpItself) live() []machine {
	g.t.Helper()
	instances, err := g.all(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	var all []machine
	for _, i := range instances {
		if isOurs(i) && i.GetStatus() != "STOPPING" && i.GetStatus() != "TERMINATED" {
			all = append(all, machine{id: i.GetName(), spot: i.GetScheduling().GetProvisioningModel() == "SPOT"})
		}
	}
	return all
}

func (g gcpItself) end(id string) {
	g.t.Helper()
	instances, err := g.all(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, i := range instances {
		if isOurs(i) && i.GetName() == id {
			if _, err := g.instances.Delete(context.Background(), &computepb.DeleteInstanceRequest{Project: g.project, Zone: path.Base(i.GetZone()), Instance: id}); err != nil {
				g.t.Fatal(err)
			}
		}
	}
}

func (g gcpItself) left() []string {
	g.t.Helper()
	rules, err := g.rules(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	return rules
}

// addGCPSweeper has "go test -sweep=PROJECT -sweep-run=gcp" end what broken runs have
// left on Google Cloud.
func addGCPSweeper() {
	resource.AddTestSweepers("gcp", &resource.Sweeper{Name: "gcp", F: func(project string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		g, err := openProject(ctx, project)
		if err != nil {
			return err
		}
		return g.sweep(ctx)
	}})
}

// sweep deletes the instances with the mark of these tests, and then the firewall rules
// of the example that are for no instance. Disks go with the instances.
func (g gcpItself) sweep(ctx context.Context) error {
	instances, err := g.all(ctx)
	if err != nil {
		return err
	}
	var ending []*compute.Operation
	for _, i := range instances {
		if isOurs(i) {
			op, err := g.instances.Delete(ctx, &computepb.DeleteInstanceRequest{Project: g.project, Zone: path.Base(i.GetZone()), Instance: i.GetName()})
			if err != nil {
				return err
			}
			ending = append(ending, op)
		}
	}
	for _, op := range ending {
		if err := op.Wait(ctx); err != nil {
			return err
		}
	}
	rules, err := g.rules(ctx)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		op, err := g.firewalls.Delete(ctx, &computepb.DeleteFirewallRequest{Project: g.project, Firewall: rule})
		if err != nil {
			return err
		}
		if err := op.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func TestTheSweeperOfGoogleCloudEndsWhatIsOursAndNothingElse(t *testing.T) {
	t.Parallel()
	cloud := gcptest.New(t, gcptest.Options{})
	g, err := openProject(t.Context(), gcptest.Project, option.WithHTTPClient(&http.Client{Transport: bearing{cloud}}))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, tag string, labels map[string]string) {
		t.Helper()
		op, err := g.instances.Insert(t.Context(), &computepb.InsertInstanceRequest{Project: g.project, Zone: "us-east1-b", InstanceResource: &computepb.Instance{
			Name: &name, Labels: labels, MachineType: new("zones/us-east1-b/machineTypes/e2-standard-2"), Tags: &computepb.Tags{Items: []string{tag}},
			Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true), InitializeParams: &computepb.AttachedDiskInitializeParams{
				SourceImage: new("projects/debian-cloud/global/images/family/debian-12"),
			}}},
			NetworkInterfaces: []*computepb.NetworkInterface{{Network: new("global/networks/default")}},
		}})
		if err == nil {
			err = op.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		op, err = g.firewalls.Insert(t.Context(), &computepb.InsertFirewallRequest{Project: g.project, FirewallResource: &computepb.Firewall{
			Name: new(ruleBegins + name), Network: new("global/networks/default"), SourceRanges: []string{"0.0.0.0/0"}, TargetTags: []string{tag},
			Allowed: []*computepb.Allowed{{IPProtocol: new("tcp"), Ports: []string{"9738"}}},
		}})
		if err == nil {
			err = op.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("ours", "our-tag", map[string]string{markKey: markLabel})
	put("theirs", "their-tag", map[string]string{"somebody": "else"})
	if err := g.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := cloud.Books()
	if live := b.Live(); len(live) != 1 || live[0].Name != "theirs" {
		t.Errorf("there are %+v", live)
	}
	if !slices.Equal(b.Firewalls, []string{ruleBegins + "theirs"}) {
		t.Errorf("there are the rules %v", b.Firewalls)
	}
}
