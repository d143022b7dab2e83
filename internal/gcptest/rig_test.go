// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

func TestMain(m *testing.M) {
	if machinetest.Be() {
		return
	}
	m.Run()
}

// rig is a cloud with clients that need no network. They are the owner's.
type rig struct {
	*testing.T
	gcp        *gcptest.GCP
	instances  *compute.InstancesClient
	operations *compute.ZoneOperationsClient
	options    []option.ClientOption
}

// bearer adds a token to every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// as gives what clients are made of that call for somebody.
func as(g *gcptest.GCP, by string) *http.Client {
	return &http.Client{Transport: bearer{g.Token(by), g.Client().Transport}}
}

func newRig(t *testing.T, options gcptest.Options) *rig {
	t.Helper()
	g := gcptest.New(t, options)
	r := &rig{T: t, gcp: g, options: []option.ClientOption{option.WithHTTPClient(as(g, gcptest.Owner))}}
	r.instances = made(t, compute.NewInstancesRESTClient, r.options)
	r.operations = made(t, compute.NewZoneOperationsRESTClient, r.options)
	return r
}

// made makes a client.
func made[C any](t *testing.T, makes func(context.Context, ...option.ClientOption) (C, error), options []option.ClientOption) C {
	t.Helper()
	c, err := makes(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const zone = "us-east1-b"

// request asks for one e2-medium; change makes something else of it.
func request(name string, change ...func(*computepb.InsertInstanceRequest)) *computepb.InsertInstanceRequest {
	in := &computepb.InsertInstanceRequest{Project: gcptest.Project, Zone: zone, InstanceResource: &computepb.Instance{
		Name: &name, MachineType: new("zones/" + zone + "/machineTypes/e2-medium"), Labels: map[string]string{"service": "web"},
		Disks: []*computepb.AttachedDisk{{
			Boot: new(true), AutoDelete: new(true),
			InitializeParams: &computepb.AttachedDiskInitializeParams{SourceImage: new("projects/debian-cloud/global/images/family/debian-12")},
		}},
		NetworkInterfaces: []*computepb.NetworkInterface{{
			Network: new("global/networks/default"), AccessConfigs: []*computepb.AccessConfig{{Type: new("ONE_TO_ONE_NAT")}},
		}},
	}}
	for _, do := range change {
		do(in)
	}
	return in
}

func inSpot(in *computepb.InsertInstanceRequest) {
	in.InstanceResource.Scheduling = &computepb.Scheduling{
		ProvisioningModel: new(gcptest.Spot), InstanceTerminationAction: new("DELETE"), PreemptionNoticeDuration: &computepb.Duration{Seconds: new(int64(120))},
	}
}

func inZone(zone string) func(*computepb.InsertInstanceRequest) {
	return func(in *computepb.InsertInstanceRequest) {
		in.Zone = zone
		in.InstanceResource.MachineType = new("zones/" + zone + "/machineTypes/e2-medium")
	}
}

// insert makes an instance, and gives how that ends.
func (r *rig) insert(in *computepb.InsertInstanceRequest) error {
	o, err := r.instances.Insert(r.Context(), in)
	if err != nil {
		return err
	}
	return r.wait(in.Zone, o.Name())
}

// run makes an instance for certain.
func (r *rig) run(name string, change ...func(*computepb.InsertInstanceRequest)) {
	r.Helper()
	if err := r.insert(request(name, change...)); err != nil {
		r.Fatalf("making instance %s: %v", name, err)
	}
}

// wait waits for an operation of a zone, and gives how it ends.
func (r *rig) wait(zone, name string) error {
	for {
		o, err := r.operations.Wait(r.Context(), &computepb.WaitZoneOperationRequest{Project: gcptest.Project, Zone: zone, Operation: name})
		if err != nil {
			return err
		}
		if o.GetStatus() != computepb.Operation_DONE {
			continue
		}
		if errs := o.GetError().GetErrors(); len(errs) > 0 {
			return &googleapi.Error{Code: int(o.GetHttpErrorStatusCode()), Message: errs[0].GetMessage(), Errors: []googleapi.ErrorItem{{Reason: errs[0].GetCode()}}}
		}
		return nil
	}
}

// described gives an instance as Compute Engine describes it.
func (r *rig) described(name string) (*computepb.Instance, error) {
	return r.instances.Get(r.Context(), &computepb.GetInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: name})
}

// remove ends an instance.
func (r *rig) remove(name string) error {
	o, err := r.instances.Delete(r.Context(), &computepb.DeleteInstanceRequest{Project: gcptest.Project, Zone: zone, Instance: name})
	if err != nil {
		return err
	}
	return r.wait(zone, o.Name())
}

// names gives the names of the instances of a list.
func (r *rig) names(filter string) ([]string, error) {
	in := &computepb.ListInstancesRequest{Project: gcptest.Project, Zone: zone}
	if filter != "" {
		in.Filter = &filter
	}
	var out []string
	for it := r.instances.List(r.Context(), in); ; {
		i, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, i.GetName())
	}
}

// reason is Google's word for an error, "none" if there is none, and the error itself
// if it is another.
func reason(err error) string {
	var e *googleapi.Error
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &e) && len(e.Errors) > 0:
		return e.Errors[0].Reason
	}
	return err.Error()
}
