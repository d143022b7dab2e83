// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// employed is a controller as Google Cloud knows it: by its service account.
type employed struct {
	*testing.T
	gcp *gcptest.GCP
	gcp.Household
	cloud *gcp.Cloud
}

func newEmployed(t *testing.T, service string) *employed {
	t.Helper()
	g := gcptest.New(t, gcptest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	h, err := gcp.Settle(t.Context(), gcp.DeployerOptions{Transport: g.Client().Transport, Config: gcp.Config{
		Project: gcptest.Project, Region: "us-east1", Regions: []string{"us-east1"}, Credentials: string(g.ClientCredentials()),
	}}, service)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, g, h.Conf)
	o.Scope = headquarters.Scope("us-east1")
	o.Shown = fleettest.Shown(string(g.KeyOf(h.Account)))
	return &employed{t, g, h, gcp.NewCloud(o)}
}

// launch has a replica of a service be launched.
func (e *employed) launch(service string, id int64, r serve.Resource, market serve.Market) (serve.LaunchRequest, error) {
	e.Helper()
	offers, err := e.cloud.Offers(e.Context(), r)
	if err != nil {
		return serve.LaunchRequest{}, err
	}
	at := slices.IndexFunc(offers, func(o serve.Offer) bool { return o.Market == market })
	if at < 0 {
		e.Fatalf("there is no %s offer", market)
	}
	req := serve.LaunchRequest{
		Ref: serve.Ref{Service: service, UID: "5f3c", Replica: id}, Revision: 1, Offer: offers[at], Resource: r, Port: 8080, Task: serve.Task{Run: "server"},
	}
	_, err = e.cloud.Launch(e.Context(), req)
	return req, err
}

// works does all that a controller does.
func (e *employed) works() {
	e.Helper()
	var refs []serve.Ref
	for i, r := range []serve.Resource{
		{CPUs: "2+"}, {CPUs: "2+", ImageID: "docker:nginx"}, {Accelerators: "T4:1"},
	} {
		req, err := e.launch("web", int64(i+1), r, []serve.Market{serve.Spot, serve.OnDemand}[i%2])
		if err != nil {
			e.Fatalf("launching %+v: %v", r, err)
		}
		refs = append(refs, req.Ref)
		req.Revision = 2
		if _, err := e.cloud.Restart(e.Context(), req); err != nil {
			e.Errorf("telling %+v anew: %v", r, err)
		}
	}
	all, err := e.cloud.List(e.Context(), "web")
	if err != nil || len(all) != len(refs) {
		e.Fatalf("there are %d machines: %v", len(all), err)
	}
	lost := all[slices.IndexFunc(all, func(i serve.Instance) bool { return i.Offer.Market == serve.Spot })]
	e.gcp.Preempt(lost.ID, 0)
	time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
	if gone, why, err := e.cloud.Gone(e.Context(), lost); !gone || err != nil {
		e.Errorf("a machine that was taken back is gone: %v (%s), %v", gone, why, err)
	}
	for _, ref := range refs {
		if err := e.cloud.Terminate(e.Context(), ref); err != nil {
			e.Error(err)
		}
	}
	if err := e.cloud.Clean(e.Context(), "web"); err != nil {
		e.Error(err)
	}
}

// keeps does all that a controller does with its bucket.
func (e *employed) keeps() {
	e.Helper()
	c := e.Conf
	c.Credentials = string(e.gcp.KeyOf(e.Account))
	b, err := gcp.OpenBucket(e.Context(), gcp.BucketOptions{Config: c, Name: e.Bucket, Transport: e.gcp.Client().Transport})
	if err != nil {
		e.Fatal(err)
	}
	s := bucket.NewStore(b)
	for i := range 6 {
		if _, _, err := s.Save(e.Context(), serve.State{Version: uint64(i)}, make([]serve.Event, 300)); err != nil {
			e.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte("hello"))
	if err := bucket.NewBundles(b, e.TempDir()).Put(fmt.Sprintf("sha256:%x", sum), strings.NewReader("hello")); err != nil {
		e.Error(err)
	}
	if err := bucket.NewArchive(b).Keep(e.Context(), 1, bytes.NewReader([]byte("hello"))); err != nil {
		e.Error(err)
	}
}

// The roles of a controller hold what it needs, and nothing else.
func TestTheRolesOfAControllerAreTheLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEmployed(t, "web")
		e.works()
		e.keeps()
		asked := slices.DeleteFunc(e.gcp.Books().Asked[e.Account], func(p string) bool { return strings.HasPrefix(p, "storage.objects.") })
		for _, p := range asked {
			if !slices.Contains(e.Rights, p) {
				t.Errorf("it needs %s, which is in none of its roles", p)
			}
		}
		// Of images that are Google's, and of a network that is named by itself, nobody
		// asks who may see them.
		foreign := []string{"compute.images.get", "compute.images.getFromFamily", "compute.images.useReadOnly", "compute.subnetworks.get"}
		for _, p := range e.Rights {
			if !slices.Contains(asked, p) && !slices.Contains(foreign, p) {
				t.Errorf("its roles hold %s, which it does not need", p)
			}
		}
	})
}

// A controller may end and change the instances of its own service, and those alone: no
// other's, not even of one whose name goes on after its own, and no controller's, its own
// included.
func TestAControllerCannotTouchWhatIsNotItsServices(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ service, other string }{{"web", "shop"}, {"a", "a-b"}, {"a-b", "a"}, {"a", "a-1"}} {
		t.Run(row.service+" and "+row.other, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEmployed(t, row.service)
				if _, err := e.launch(row.other, 1, serve.Resource{CPUs: "2+"}, serve.Spot); !errors.Is(err, serve.ErrUnauthorized) {
					t.Errorf("launching a machine of another service: %v, want ErrUnauthorized", err)
				}
				own, err := e.launch(row.service, 1, serve.Resource{CPUs: "2+"}, serve.Spot)
				if err != nil {
					t.Fatal(err)
				}
				o := options(t, e.gcp, e.Conf)
				o.Scope = headquarters.Scope("us-east1")
				theirs := &employed{t, e.gcp, e.Household, gcp.NewCloud(o)}
				if _, err := theirs.launch(row.other, 1, serve.Resource{CPUs: "2+"}, serve.Spot); err != nil {
					t.Fatal(err)
				}
				c := e.Conf
				c.Credentials = string(e.gcp.KeyOf(e.Account))
				for _, i := range e.gcp.Books().Live() {
					if i.Labels["serve-infra-service"] == own.Ref.Service {
						continue
					}
					if err := gcp.EndInstance(t.Context(), c, e.gcp.Client().Transport, i.Zone, i.Name); !errors.Is(err, serve.ErrUnauthorized) {
						t.Errorf("ending %s: %v, want ErrUnauthorized", i.Name, err)
					}
				}
				if n := len(e.gcp.Books().Live()); n != 3 {
					t.Errorf("there are %d machines", n)
				}
				if err := e.cloud.Terminate(t.Context(), own.Ref); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
