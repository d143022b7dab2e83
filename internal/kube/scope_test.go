// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Two people share a namespace, and each has a service named web. What the one
// has is no orphan of the other's, and is not swept when that one destroys his.
func TestServicesOfOneNameInOneNamespaceAreTwo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.simulate(t, "shared")
	scoped := func(whose string) *Cloud {
		return r.cloud(t, func(o *CloudOptions) {
			if whose != "" {
				o.Scope = func() (string, error) { return whose, nil }
			}
		})
	}
	clouds := map[string]*Cloud{"ann": scoped("ann"), "bob": scoped("bob"), "": scoped("")}
	for whose, c := range clouds {
		offers, err := c.Offers(t.Context(), r.tolerant())
		if err != nil || len(offers) == 0 {
			t.Fatalf("Offers = %v, %v", offers, err)
		}
		ref := serve.Ref{Service: "web", UID: "uid-of-" + whose + "0", Replica: 1}
		if _, err := c.Launch(t.Context(), serve.LaunchRequest{Ref: ref, Offer: offers[0], Resource: r.tolerant(), Port: 80, Task: serve.Task{Run: "true"}}); err != nil {
			t.Fatal(err)
		}
	}
	for whose, c := range clouds {
		list, err := c.List(t.Context(), "web")
		if err != nil || len(list) != 1 || list[0].Ref.UID != "uid-of-"+whose+"0" {
			t.Errorf("%q has %+v, %v; want the one of its own", whose, list, err)
		}
	}
}
