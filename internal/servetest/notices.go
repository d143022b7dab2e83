// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"errors"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// watch collects the notices of the service "web" until the test ends.
func (t *cloudTest) watch() <-chan serve.Notice {
	ctx, cancel := context.WithCancel(t.ctx)
	// More than any test causes, so that telling never waits for the test.
	notices := make(chan serve.Notice, 100)
	done := make(chan error, 1)
	go func() {
		done <- t.cloud.Notices(ctx, "web", func(n serve.Notice) { notices <- n })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Notices = %v, want the context's error", err)
		}
	})
	return notices
}

// await waits for a notice of the kind. Notices of capacity come when they
// like; any other kind in between is wrong.
func (t *cloudTest) await(notices <-chan serve.Notice, kind serve.NoticeKind) serve.Notice {
	t.Helper()
	for {
		select {
		case n := <-notices:
			if n.Kind == kind {
				return n
			}
			if n.Kind != serve.NoticeCapacity {
				t.Errorf("got the notice %+v while waiting for %q", n, kind)
			}
		case <-t.ctx.Done():
			t.Fatalf("no notice %q has come", kind)
		}
	}
}

func (t *cloudTest) needKill() {
	t.Helper()
	if t.hooks.Kill == nil {
		t.Skip("the test cannot kill a machine of this cloud")
	}
}

func (t *cloudTest) noticeDead() {
	t.needKill()
	i := t.launched(t.request())
	t.hooks.Kill(t.T, t.cloud, i)
	if n := t.await(t.watch(), serve.NoticeGone); n.Ref != i.Ref {
		t.Errorf("Notices told of %+v, want %+v", n.Ref, i.Ref)
	}
	for _, left := range t.listed("web") {
		if left.Running {
			t.Errorf("List = %+v, want nothing running", left)
		}
	}
}

func (t *cloudTest) noticeGone() {
	t.needKill()
	early := t.launched(t.request())
	notices := t.watch()
	req := t.request()
	req.Ref.Replica = 2
	late := t.launched(req)
	for _, i := range []serve.Instance{late, early} {
		t.hooks.Kill(t.T, t.cloud, i)
		if n := t.await(notices, serve.NoticeGone); n.Ref != i.Ref {
			t.Errorf("Notices told of %+v, want %+v", n.Ref, i.Ref)
		}
	}
}

func (t *cloudTest) noticeNotTerminated() {
	t.needKill()
	ended := t.launched(t.request())
	req := t.request()
	req.Ref.Replica = 2
	killed := t.launched(req)
	notices := t.watch()
	if err := t.cloud.Terminate(t.ctx, ended.Ref); err != nil {
		t.Fatalf("Terminate: %v", err)
	}
	// Had there been a notice of the first it would have come before this one.
	t.hooks.Kill(t.T, t.cloud, killed)
	if n := t.await(notices, serve.NoticeGone); n.Ref != killed.Ref {
		t.Errorf("Notices told of %+v, which was terminated", n.Ref)
	}
}

func (t *cloudTest) noticeExited() {
	t.needScripts()
	notices := t.watch()
	for id, c := range []struct {
		setup, run string
		code       int
		which      string
	}{
		{setup: "", run: "exit 3", code: 3, which: "run"},
		{setup: "exit 4", run: "exit 5", code: 4, which: "setup"},
		{setup: "true", run: "true", code: 0, which: "run"},
	} {
		req := t.request()
		req.Ref.Replica = int64(id) + 1
		req.Task.Setup, req.Task.Run = c.setup, c.run
		i := t.launched(req)
		n := t.await(notices, serve.NoticeExited)
		if n.Ref != i.Ref || n.ExitCode != c.code || n.Detail != c.which {
			t.Errorf("after setup %q and run %q: %+v, want exit code %d of the %s of %+v", c.setup, c.run, n, c.code, c.which, i.Ref)
		}
	}
}

func (t *cloudTest) noticeCapacity() {
	if t.hooks.Exhaust == nil {
		t.Skip("the test cannot exhaust a pool of this cloud")
	}
	if t.hooks.Untold {
		t.Skip("this cloud does not tell when there is capacity again")
	}
	offer := t.offer(serve.Spot)
	t.hooks.Exhaust(t.T, t.cloud, offer)
	notices := t.watch()
	// A machine elsewhere shows by its end that the watch has begun.
	req := t.request()
	req.Offer = t.offer(serve.OnDemand)
	req.Task.Run = "exit 3"
	t.needScripts()
	t.launched(req)
	t.await(notices, serve.NoticeExited)

	t.hooks.Refill(t.T, t.cloud, offer)
	n := t.await(notices, serve.NoticeCapacity)
	if n.Market != serve.Spot || !n.Location.Contains(offer.Location) {
		t.Errorf("Notices told of %s capacity in %v, want %s in %v", n.Market, n.Location, serve.Spot, offer.Location)
	}
}
