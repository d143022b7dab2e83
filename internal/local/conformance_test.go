// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"syscall"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestCloudKeepsItsContract(t *testing.T) {
	t.Parallel()
	servetest.TestCloud(t, func(t *testing.T) serve.Cloud {
		return newFixture(t, nil).Cloud
	}, servetest.CloudHooks{
		Scripts: true,
		Exhaust: func(t *testing.T, c serve.Cloud, o serve.Offer) { setCapacity(t, c, o, 0) },
		Refill:  func(t *testing.T, c serve.Cloud, o serve.Offer) { setCapacity(t, c, o, 8) },
		Kill: func(t *testing.T, c serve.Cloud, i serve.Instance) {
			h, err := openHome(ours(t, c).root)
			if err != nil {
				t.Fatal(err)
			}
			r, err := readRecord(h.replica(i.Ref))
			if err == nil {
				err = r.state.Process.signal(syscall.SIGKILL)
			}
			if err == nil {
				err = r.state.Process.wait(t.Context())
			}
			if err != nil {
				t.Fatalf("killing %+v: %v", i, err)
			}
		},
	})
}

func setCapacity(t *testing.T, c serve.Cloud, o serve.Offer, n int) {
	t.Helper()
	if err := ours(t, c).SetCapacity(t.Context(), o.Location.Zone, o.Market, n); err != nil {
		t.Fatalf("SetCapacity: %v", err)
	}
}

// ours gives the cloud behind the contract.
func ours(t *testing.T, c serve.Cloud) *Cloud {
	t.Helper()
	cloud, ok := c.(*Cloud)
	if !ok {
		t.Fatalf("%T is not the local cloud", c)
	}
	return cloud
}
