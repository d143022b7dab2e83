// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Scripted is a [serve.Cloud] in memory that does as a test tells it. Its
// machines are real HTTP servers on loopback which answer every path with the
// replica's id, and readiness probes only while the test wants them to.
type Scripted struct {
	name   string
	offers []serve.Offer

	mu       sync.Mutex
	capacity map[string]int
	machines map[serve.Ref]*machine
	calls    []string
	hook     func(ctx context.Context, operation string, ref serve.Ref) error
	ready    func(ref serve.Ref) bool
	serving  func(ref serve.Ref)
	tell     map[int]func(serve.Notice)
	nextTell int
	grew     chan struct{}
}

type machine struct {
	instance serve.Instance
	server   *httptest.Server
}

// NewScripted gives a cloud with the given offers, each in endless supply.
// Machines left over when the test ends are closed, not complained about.
func NewScripted(t *testing.T, name string, offers ...serve.Offer) *Scripted {
	c := &Scripted{
		name: name, offers: offers, capacity: map[string]int{}, machines: map[serve.Ref]*machine{},
		ready: func(serve.Ref) bool { return true }, tell: map[int]func(serve.Notice){}, grew: make(chan struct{}),
	}
	t.Cleanup(func() {
		for _, m := range c.machines {
			m.server.Close()
		}
	})
	return c
}

// Name implements serve.Cloud.
func (c *Scripted) Name() string { return c.name }

// SetCapacity limits how many machines an offer's pool can hold. Machines that
// are there already stay.
func (c *Scripted) SetCapacity(o serve.Offer, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.capacity[o.Key()] = n
}

// OnCall has every operation ("launch", "terminate", "list", "launched") ask
// hook first and fail with its error. The hook gets the context of the call and
// may block; "launched" is asked when the machine exists and Launch is about to
// return.
func (c *Scripted) OnCall(hook func(ctx context.Context, operation string, ref serve.Ref) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

// OnProbe decides whether a replica answers its probes with 200 or 503.
func (c *Scripted) OnProbe(ready func(ref serve.Ref) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = ready
}

// OnRequest has every request but the probes wait for serving before it is
// answered.
func (c *Scripted) OnRequest(serving func(ref serve.Ref)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving = serving
}

func (c *Scripted) call(ctx context.Context, operation string, ref serve.Ref) error {
	c.mu.Lock()
	c.calls = append(c.calls, fmt.Sprintf("%s %d", operation, ref.Replica))
	close(c.grew)
	c.grew = make(chan struct{})
	hook := c.hook
	c.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, operation, ref)
}

// Calls lists the operations so far: "launch 3", "terminate 1".
func (c *Scripted) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Await waits until an operation was asked for, and fails the test if the test
// is about to run out of time first.
func (c *Scripted) Await(t *testing.T, operation string) {
	t.Helper()
	for {
		c.mu.Lock()
		seen, grew := slices.Contains(c.calls, operation), c.grew
		c.mu.Unlock()
		if seen {
			return
		}
		select {
		case <-grew:
		case <-t.Context().Done():
			t.Fatalf("%q was never asked for", operation)
		}
	}
}

// Machines lists what runs now, in the order of replica ids.
func (c *Scripted) Machines() []serve.Instance {
	list, _ := c.instances("")
	return list
}

func (c *Scripted) instances(service string) ([]serve.Instance, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []serve.Instance
	for _, m := range c.machines {
		if service == "" || m.instance.Ref.Service == service {
			list = append(list, m.instance)
		}
	}
	slices.SortFunc(list, func(a, b serve.Instance) int { return int(a.Ref.Replica - b.Ref.Replica) })
	return list, nil
}

// Plant makes a machine that nobody launched, as a crash leaves one behind.
func (c *Scripted) Plant(t *testing.T, ref serve.Ref) {
	t.Helper()
	if _, err := c.boot(serve.LaunchRequest{Ref: ref}); err != nil {
		t.Fatal(err)
	}
}

// Take ends a machine as a spot market does: it is gone, and a notice says so.
func (c *Scripted) Take(replica int64) {
	c.mu.Lock()
	var ref serve.Ref
	for r, m := range c.machines {
		if r.Replica == replica {
			ref = r
			m.instance.Running = false
			kill(m.server)
		}
	}
	c.mu.Unlock()
	c.Tell(serve.Notice{Kind: serve.NoticeGone, Ref: ref})
}

// Vanish ends a machine without telling anyone.
func (c *Scripted) Vanish(replica int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, m := range c.machines {
		if r.Replica == replica {
			kill(m.server)
			delete(c.machines, r)
		}
	}
}

// kill closes a server and every connection to it, without waiting for anyone.
func kill(server *httptest.Server) {
	server.Listener.Close()
	server.CloseClientConnections()
}

// Tell gives a notice to everyone who listens.
func (c *Scripted) Tell(n serve.Notice) {
	c.mu.Lock()
	var listeners []func(serve.Notice)
	for _, tell := range c.tell {
		listeners = append(listeners, tell)
	}
	c.mu.Unlock()
	for _, tell := range listeners {
		tell(n)
	}
}

// Offers implements serve.Cloud.
func (c *Scripted) Offers(_ context.Context, r serve.Resource) ([]serve.Offer, error) {
	var list []serve.Offer
	for _, o := range c.offers {
		if r.Location().Contains(o.Location) {
			list = append(list, o)
		}
	}
	return list, nil
}

// Launch implements serve.Cloud.
func (c *Scripted) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := c.call(ctx, "launch", req.Ref); err != nil {
		return serve.Instance{}, err
	}
	if ctx.Err() != nil {
		return serve.Instance{}, ctx.Err()
	}
	instance, err := c.boot(req)
	if err != nil {
		return serve.Instance{}, err
	}
	return instance, c.call(ctx, "launched", req.Ref)
}

func (c *Scripted) boot(req serve.LaunchRequest) (serve.Instance, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.machines[req.Ref]; m != nil {
		return m.instance, nil
	}
	if limit, limited := c.capacity[req.Offer.Key()]; limited {
		used := 0
		for _, m := range c.machines {
			if m.instance.Running && m.instance.Offer.Key() == req.Offer.Key() {
				used++
			}
		}
		if used >= limit {
			return serve.Instance{}, fmt.Errorf("%s holds %d machines: %w", req.Offer.Key(), limit, serve.ErrCapacity)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		ready, serving := c.ready, c.serving
		c.mu.Unlock()
		switch {
		case r.URL.Path == "/health" && !ready(req.Ref):
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.URL.Path != "/health" && serving != nil:
			serving(req.Ref)
		}
		fmt.Fprint(w, req.Ref.Replica)
	}))
	instance := serve.Instance{
		Ref: req.Ref, Revision: req.Revision, ID: fmt.Sprintf("%s-%d", c.name, req.Ref.Replica), Offer: req.Offer,
		Address: server.Listener.Addr().String(), LaunchedAt: time.Now().UTC(), Running: true,
	}
	c.machines[req.Ref] = &machine{instance: instance, server: server}
	return instance, nil
}

// Terminate implements serve.Cloud.
func (c *Scripted) Terminate(ctx context.Context, ref serve.Ref) error {
	if err := c.call(ctx, "terminate", ref); err != nil {
		return err
	}
	c.mu.Lock()
	m := c.machines[ref]
	delete(c.machines, ref)
	c.mu.Unlock()
	if m != nil {
		kill(m.server)
	}
	return nil
}

// List implements serve.Cloud.
func (c *Scripted) List(ctx context.Context, service string) ([]serve.Instance, error) {
	if err := c.call(ctx, "list", serve.Ref{}); err != nil {
		return nil, err
	}
	return c.instances(service)
}

// Logs implements serve.Cloud.
func (c *Scripted) Logs(_ context.Context, ref serve.Ref, _ serve.LogOptions) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.machines[ref] == nil {
		return nil, fmt.Errorf("machine of replica %d: %w", ref.Replica, serve.ErrNotFound)
	}
	return io.NopCloser(strings.NewReader(fmt.Sprintf("replica %d says hello\n", ref.Replica))), nil
}

// Notices implements serve.Cloud.
func (c *Scripted) Notices(ctx context.Context, _ string, tell func(serve.Notice)) error {
	c.mu.Lock()
	id := c.nextTell
	c.nextTell++
	c.tell[id] = tell
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	delete(c.tell, id)
	c.mu.Unlock()
	return ctx.Err()
}
