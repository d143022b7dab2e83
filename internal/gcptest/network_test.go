// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"errors"
	"slices"
	"testing"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// all gives the names of what a list has.
func all[T interface{ GetName() string }](t *testing.T, next func() (T, error)) []string {
	t.Helper()
	var out []string
	for {
		thing, err := next()
		if errors.Is(err, iterator.Done) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, thing.GetName())
	}
}

func TestAFirewallRuleIsMadeChangedAndRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	c := made(t, compute.NewFirewallsRESTClient, r.options)
	insert := func(change func(*computepb.Firewall)) error {
		f := &computepb.Firewall{
			Name: new("serve-web"), Network: new("global/networks/default"), TargetTags: []string{"serve-web"},
			Allowed: []*computepb.Allowed{{IPProtocol: new("tcp"), Ports: []string{"9738"}}},
		}
		change(f)
		_, err := c.Insert(t.Context(), &computepb.InsertFirewallRequest{Project: gcptest.Project, FirewallResource: f})
		return err
	}
	get := func() (*computepb.Firewall, error) {
		return c.Get(t.Context(), &computepb.GetFirewallRequest{Project: gcptest.Project, Firewall: "serve-web"})
	}
	for _, row := range []struct {
		name   string
		change func(*computepb.Firewall)
		want   string
	}{
		{"a rule that says nothing", func(f *computepb.Firewall) { f.Allowed = nil }, "invalid"},
		{"ports of a protocol without any", func(f *computepb.Firewall) { f.Allowed[0].IPProtocol = new("icmp") }, "invalid"},
		{"a port that is none", func(f *computepb.Firewall) { f.Allowed[0].Ports = []string{"http"} }, "invalid"},
		{"a range that is none", func(f *computepb.Firewall) { f.SourceRanges = []string{"everybody"} }, "invalid"},
		{"another network", func(f *computepb.Firewall) { f.Network = new("global/networks/other") }, "invalid"},
		{"a good one", func(*computepb.Firewall) {}, "none"},
		{"the same again", func(*computepb.Firewall) {}, "alreadyExists"},
	} {
		if err := insert(row.change); reason(err) != row.want {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
	f, err := get()
	if err != nil || !slices.Equal(f.GetSourceRanges(), []string{"0.0.0.0/0"}) || f.GetPriority() != 1000 || f.GetDirection() != "INGRESS" {
		t.Errorf("it is %v, %v", f, err)
	}
	if _, err := c.Patch(t.Context(), &computepb.PatchFirewallRequest{Project: gcptest.Project, Firewall: "serve-web", FirewallResource: &computepb.Firewall{
		Name: new("serve-web"), SourceRanges: []string{"192.0.2.0/24"},
	}}); err != nil {
		t.Fatal(err)
	}
	if f, err := get(); err != nil || !slices.Equal(f.GetSourceRanges(), []string{"192.0.2.0/24"}) || f.GetAllowed()[0].GetPorts()[0] != "9738" {
		t.Errorf("it has become %v, %v", f, err)
	}
	if names := all(t, c.List(t.Context(), &computepb.ListFirewallsRequest{Project: gcptest.Project}).Next); len(names) != 5 {
		t.Errorf("the rules are %q", names)
	}
	if left := r.gcp.Books().Left(); !slices.Equal(left, []string{"firewall rule serve-web"}) {
		t.Errorf("there is left: %q", left)
	}
	remove := func() error {
		_, err := c.Delete(t.Context(), &computepb.DeleteFirewallRequest{Project: gcptest.Project, Firewall: "serve-web"})
		return err
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if err := remove(); reason(err) != "notFound" {
		t.Errorf("it was removed twice: %v", err)
	}
}

func TestAReservedAddressGoesFromOneInstanceToAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	c := made(t, compute.NewAddressesRESTClient, r.options)
	ip := r.reserve("site")
	at := func(in *computepb.InsertInstanceRequest) {
		in.InstanceResource.NetworkInterfaces[0].AccessConfigs[0].NatIP = &ip
	}
	status := func() string {
		a, err := c.Get(t.Context(), &computepb.GetAddressRequest{Project: gcptest.Project, Region: "us-east1", Address: "site"})
		if err != nil {
			t.Fatal(err)
		}
		return a.GetStatus()
	}
	remove := func() error {
		_, err := c.Delete(t.Context(), &computepb.DeleteAddressRequest{Project: gcptest.Project, Region: "us-east1", Address: "site"})
		return err
	}
	if got := status(); got != "RESERVED" {
		t.Errorf("at first it is %s", got)
	}
	r.run("web-1", at)
	if i, err := r.described("web-1"); err != nil || i.GetNetworkInterfaces()[0].GetAccessConfigs()[0].GetNatIP() != ip || status() != "IN_USE" {
		t.Errorf("the instance is %v, %v; the address is %s", i, err, status())
	}
	if err := remove(); reason(err) != "resourceInUseByAnotherResource" {
		t.Errorf("an address in use was removed: %v", err)
	}
	if err := r.insert(request("far", at, inZone("us-central1-a"))); reason(err) != "invalid" {
		t.Errorf("an address of another region was given: %v", err)
	}
	r.run("web-2")
	access := func(name string, ip *string) error {
		_, err := r.instances.AddAccessConfig(t.Context(), &computepb.AddAccessConfigInstanceRequest{
			Project: gcptest.Project, Zone: zone, Instance: name, NetworkInterface: "nic0",
			AccessConfigResource: &computepb.AccessConfig{Type: new("ONE_TO_ONE_NAT"), NatIP: ip},
		})
		return err
	}
	part := func(name string) error {
		_, err := r.instances.DeleteAccessConfig(t.Context(), &computepb.DeleteAccessConfigInstanceRequest{
			Project: gcptest.Project, Zone: zone, Instance: name, NetworkInterface: "nic0", AccessConfig: "external-nat",
		})
		return err
	}
	if err := access("web-2", &ip); reason(err) != "invalid" {
		t.Errorf("an instance has two ways to the world: %v", err)
	}
	if err := errors.Join(part("web-1"), part("web-2"), access("web-2", &ip), access("web-1", nil)); err != nil {
		t.Error(err)
	}
	one, _ := r.gcp.Books().Instance("web-1")
	two, _ := r.gcp.Books().Instance("web-2")
	if one.PublicIP == "" || one.PublicIP == ip || two.PublicIP != ip {
		t.Errorf("the instances are at %s and %s, want the second at %s", one.PublicIP, two.PublicIP, ip)
	}
	if err := errors.Join(r.remove("web-1"), r.remove("web-2"), remove()); err != nil {
		t.Error(err)
	}
	if left := r.gcp.Books().Left(); len(left) > 0 {
		t.Errorf("there is left: %q", left)
	}
	r.gcp.SetQuota("us-east1", "STATIC_ADDRESSES", 0)
	if _, err := c.Insert(t.Context(), &computepb.InsertAddressRequest{
		Project: gcptest.Project, Region: "us-east1", AddressResource: &computepb.Address{Name: new("site")},
	}); reason(err) != "quotaExceeded" {
		t.Errorf("an address beyond the quota: %v", err)
	}
}

func TestADiskThatIsNotDeletedWithItsInstanceIsLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	c := made(t, compute.NewDisksRESTClient, r.options)
	r.run("web-1", func(in *computepb.InsertInstanceRequest) { in.InstanceResource.Disks[0].AutoDelete = nil })
	remove := func() error {
		_, err := c.Delete(t.Context(), &computepb.DeleteDiskRequest{Project: gcptest.Project, Zone: zone, Disk: "web-1"})
		return err
	}
	if err := remove(); reason(err) != "resourceInUseByAnotherResource" {
		t.Errorf("a disk in use was removed: %v", err)
	}
	if err := r.remove("web-1"); err != nil {
		t.Fatal(err)
	}
	if left := r.gcp.Books().Left(); !slices.Equal(left, []string{"disk web-1 in us-east1-b"}) {
		t.Errorf("there is left: %q", left)
	}
	if err := r.insert(request("web-1")); reason(err) != "alreadyExists" {
		t.Errorf("another disk has its name: %v", err)
	}
	if names := all(t, c.List(t.Context(), &computepb.ListDisksRequest{Project: gcptest.Project, Zone: zone}).Next); !slices.Equal(names, []string{"web-1"}) {
		t.Errorf("the disks are %q", names)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	r.run("web-1")
}
