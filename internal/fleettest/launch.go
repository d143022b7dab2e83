// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"context"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Cheapest is the cheapest offer of a market for a small machine.
func Cheapest(t testing.TB, c serve.Cloud, m serve.Market) serve.Offer {
	t.Helper()
	offers, err := c.Offers(t.Context(), serve.Resource{CPUs: "2+"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offers {
		if o.Market == m {
			return o
		}
	}
	t.Fatalf("there is no %s offer", m)
	return serve.Offer{}
}

// Request asks for replica 1 of the service "web", which runs something.
func Request(o serve.Offer, run string) serve.LaunchRequest {
	return serve.LaunchRequest{
		Ref: serve.Ref{Service: "web", UID: "5f3c", Replica: 1}, Revision: 1, Offer: o,
		Resource: serve.Resource{CPUs: "2+"}, Port: 8080, Task: serve.Task{Run: run},
	}
}

// Listen hears what a cloud has to tell of the service "web" until ctx ends; what it
// gives waits for a notice of a kind.
func Listen(ctx context.Context, t testing.TB, c serve.Cloud) (await func(serve.NoticeKind) serve.Notice) {
	t.Helper()
	notices, over := make(chan serve.Notice, 10), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(over)
		_ = c.Notices(ctx, "web", func(n serve.Notice) { notices <- n })
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return func(kind serve.NoticeKind) serve.Notice {
		t.Helper()
		for {
			select {
			case n := <-notices:
				if n.Kind == kind {
					return n
				}
			case <-ctx.Done():
				t.Fatalf("no notice %q has come", kind)
			}
		}
	}
}

// Expect is what a preflight is to find: one thing that says so, in a field, or nothing
// at all where it is to say nothing.
type Expect struct {
	Field, Says string
	Hopeless    bool
}

// Meets asks a cloud what would keep machines of an entry from being launched, two spot
// ones unless it is said how many, and reports what else it finds than is expected.
func (e Expect) Meets(t testing.TB, c serve.Preflighter, entry serve.Resource, spot, onDemand int) {
	t.Helper()
	if spot+onDemand == 0 {
		spot = 2
	}
	found, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{entry}, Spot: spot, OnDemand: onDemand})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case e.Says == "" && len(found) == 0:
	case e.Says == "" || len(found) != 1:
		t.Errorf("got %+v, want one finding that says %q", found, e.Says)
	case found[0].Field != e.Field || found[0].Hopeless != e.Hopeless || !strings.Contains(found[0].Message, e.Says):
		t.Errorf("got %+v, want %q, %v and %q", found[0], e.Field, e.Hopeless, e.Says)
	}
}
