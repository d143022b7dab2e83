// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// patience is how long a suite waits for something that should come at once.
const patience = 30 * time.Second

// CloudHooks is what a cloud's test can do behind the back of the cloud. What
// is nil is not tested.
type CloudHooks struct {
	// Resource is what the suite asks the cloud for; it must give offers in both
	// markets.
	Resource serve.Resource
	// Exhaust makes the offer's pool give no more machines, Refill lets it give
	// some again.
	Exhaust, Refill func(t *testing.T, c serve.Cloud, offer serve.Offer)
	// Untold says that the cloud does not tell when there is capacity again.
	Untold bool
	// Kill ends a machine as a power cut would.
	Kill func(t *testing.T, c serve.Cloud, i serve.Instance)
	// Scripts says that machines really run their setup and run.
	Scripts bool
	// Patience is how long each test may take, where machines take long to start;
	// zero is half a minute.
	Patience time.Duration
}

// TestCloud checks that what newCloud makes keeps the contract of [serve.Cloud].
// Every call of newCloud must give a cloud without machines.
func TestCloud(t *testing.T, newCloud func(t *testing.T) serve.Cloud, hooks CloudHooks) {
	for name, test := range map[string]func(*cloudTest){
		"offers are sorted by price and name both markets":          (*cloudTest).offers,
		"what nobody sells has no offers":                           (*cloudTest).noOffers,
		"a launched machine is listed with all its tags":            (*cloudTest).launch,
		"launching twice makes one machine":                         (*cloudTest).launchTwice,
		"launching twice at once makes one machine":                 (*cloudTest).launchAtOnce,
		"an offer nobody makes is invalid and leaves nothing":       (*cloudTest).launchInvalid,
		"a pool without capacity says so and leaves nothing":        (*cloudTest).launchWithoutCapacity,
		"terminating nothing is success":                            (*cloudTest).terminateNothing,
		"terminate returns when the machine is gone":                (*cloudTest).terminate,
		"a terminated replica can be launched again":                (*cloudTest).launchAgain,
		"list finds every UID of the service and no other service":  (*cloudTest).list,
		"notices tell at first what is dead already":                (*cloudTest).noticeDead,
		"notices tell what is lost, also of machines launched late": (*cloudTest).noticeGone,
		"notices do not tell of machines that were terminated":      (*cloudTest).noticeNotTerminated,
		"notices tell how a program ended":                          (*cloudTest).noticeExited,
		"notices tell that there is capacity again":                 (*cloudTest).noticeCapacity,
		"a machine can be given another task":                       (*cloudTest).restart,
		"programs that end before and after that are told apart":    (*cloudTest).restartExited,
		"what is not up cannot be given another task":               (*cloudTest).restartNothing,
		"a task that cannot be given leaves the one before":         (*cloudTest).restartInvalid,
		"logs of nothing are not found":                             (*cloudTest).logsNotFound,
		"logs end at the present end, and give the tail":            (*cloudTest).logs,
		"followed logs go on until the machine ends":                (*cloudTest).logsFollowed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(hooks.Patience, patience))
			defer cancel()
			test(&cloudTest{T: t, ctx: ctx, cloud: newCloud(t), hooks: hooks})
		})
	}
}

// cloudTest is one test of a cloud.
type cloudTest struct {
	*testing.T
	ctx   context.Context
	cloud serve.Cloud
	hooks CloudHooks
}

// request asks for a machine of replica 1 of the service "web" that prints two
// lines and goes on.
func (t *cloudTest) request() serve.LaunchRequest {
	t.Helper()
	return serve.LaunchRequest{
		Ref:      serve.Ref{Service: "web", UID: "5f3c", Replica: 1},
		Revision: 3,
		Offer:    t.offer(serve.Spot),
		Resource: t.hooks.Resource,
		Port:     8080,
		Task:     serve.Task{Run: "echo first; echo second; exec sleep 3600"},
		Bundle: func(digest string) (io.ReadCloser, error) {
			t.Errorf("asked for bundle %q of a task that has none", digest)
			return nil, serve.ErrNotFound
		},
	}
}

// offer gives the cheapest offer of the market.
func (t *cloudTest) offer(m serve.Market) serve.Offer {
	t.Helper()
	offers, err := t.cloud.Offers(t.ctx, t.hooks.Resource)
	if err != nil {
		t.Fatalf("Offers: %v", err)
	}
	for _, o := range offers {
		if o.Market == m {
			return o
		}
	}
	t.Fatalf("no %s offer among %v", m, offers)
	return serve.Offer{}
}

// launched launches a machine that is ended with the test.
func (t *cloudTest) launched(req serve.LaunchRequest) serve.Instance {
	t.Helper()
	t.ends(req.Ref)
	i, err := t.cloud.Launch(t.ctx, req)
	if err != nil {
		t.Fatalf("Launch: %v", err)
	}
	return i
}

func (t *cloudTest) ends(ref serve.Ref) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(t.hooks.Patience, patience))
		defer cancel()
		if err := t.cloud.Terminate(ctx, ref); err != nil {
			t.Errorf("Terminate after the test: %v", err)
		}
	})
}

func (t *cloudTest) listed(service string) []serve.Instance {
	t.Helper()
	list, err := t.cloud.List(t.ctx, service)
	if err != nil {
		t.Fatalf("List(%q): %v", service, err)
	}
	return list
}

func (t *cloudTest) wantNothing() {
	t.Helper()
	if list := t.listed("web"); len(list) > 0 {
		t.Errorf("List = %+v, want nothing", list)
	}
}

// same compares as == does, but for how the time is written.
func same(a, b serve.Instance) bool {
	if !a.LaunchedAt.Equal(b.LaunchedAt) {
		return false
	}
	a.LaunchedAt = b.LaunchedAt
	return a == b
}

func (t *cloudTest) offers() {
	offers, err := t.cloud.Offers(t.ctx, t.hooks.Resource)
	if err != nil {
		t.Fatalf("Offers: %v", err)
	}
	markets := make(map[serve.Market]bool)
	for i, o := range offers {
		markets[o.Market] = true
		if o.Location.Cloud != t.cloud.Name() || o.Location.Zone == "" && o.Location.Region == "" {
			t.Errorf("offer %d is in %v, want a place of cloud %q", i, o.Location, t.cloud.Name())
		}
		if i > 0 && offers[i-1].Price > o.Price {
			t.Errorf("offer %d costs %v, more than the %v of the next", i-1, offers[i-1].Price, o.Price)
		}
	}
	if !markets[serve.Spot] || !markets[serve.OnDemand] {
		t.Errorf("offers are of the markets %v, want both", markets)
	}
	again, err := t.cloud.Offers(t.ctx, t.hooks.Resource)
	if err != nil {
		t.Fatalf("Offers again: %v", err)
	}
	if !slices.Equal(offers, again) {
		t.Errorf("the same question has two answers:\n%+v\n%+v", offers, again)
	}
}

func (t *cloudTest) noOffers() {
	r := t.hooks.Resource
	r.InstanceType = "no-such-machine"
	offers, err := t.cloud.Offers(t.ctx, r)
	if err != nil || len(offers) > 0 {
		t.Errorf("Offers(%+v) = %v, %v; want nothing", r, offers, err)
	}
}

func (t *cloudTest) launch() {
	req := t.request()
	got := t.launched(req)
	if got.ID == "" || got.Address == "" || got.LaunchedAt.IsZero() {
		t.Errorf("Launch = %+v, want an id, an address and a time", got)
	}
	want := serve.Instance{
		Ref: req.Ref, Revision: req.Revision, Offer: req.Offer, Running: true,
		ID: got.ID, Address: got.Address, LaunchedAt: got.LaunchedAt,
	}
	if got != want {
		t.Errorf("Launch = %+v, want %+v", got, want)
	}
	if list := t.listed("web"); len(list) != 1 || !same(list[0], got) {
		t.Errorf("List = %+v, want %+v alone", list, got)
	}
}

func (t *cloudTest) launchTwice() {
	first := t.launched(t.request())
	second := t.launched(t.request())
	if !same(first, second) {
		t.Errorf("the second launch gave another machine:\n%+v\n%+v", first, second)
	}
	if list := t.listed("web"); len(list) != 1 {
		t.Errorf("List = %+v, want one machine", list)
	}
}

func (t *cloudTest) launchAtOnce() {
	req := t.request()
	t.ends(req.Ref)
	var got [2]serve.Instance
	var errs [2]error
	var both sync.WaitGroup
	for i := range got {
		both.Go(func() { got[i], errs[i] = t.cloud.Launch(t.ctx, req) })
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatalf("Launch: %v", err)
	}
	if !same(got[0], got[1]) {
		t.Errorf("two launches at once gave two machines:\n%+v\n%+v", got[0], got[1])
	}
	if list := t.listed("web"); len(list) != 1 {
		t.Errorf("List = %+v, want one machine", list)
	}
}

func (t *cloudTest) launchInvalid() {
	req := t.request()
	req.Offer.InstanceType = "no-such-machine"
	t.ends(req.Ref)
	if _, err := t.cloud.Launch(t.ctx, req); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("Launch = %v, want ErrInvalid", err)
	}
	t.wantNothing()
}

func (t *cloudTest) launchWithoutCapacity() {
	if t.hooks.Exhaust == nil {
		t.Skip("the test cannot exhaust a pool of this cloud")
	}
	req := t.request()
	t.ends(req.Ref)
	t.hooks.Exhaust(t.T, t.cloud, req.Offer)
	if _, err := t.cloud.Launch(t.ctx, req); !errors.Is(err, serve.ErrCapacity) {
		t.Errorf("Launch = %v, want ErrCapacity", err)
	}
	t.wantNothing()
	t.hooks.Refill(t.T, t.cloud, req.Offer)
	t.launched(req)
}

func (t *cloudTest) terminateNothing() {
	if err := t.cloud.Terminate(t.ctx, t.request().Ref); err != nil {
		t.Errorf("Terminate: %v", err)
	}
}

func (t *cloudTest) terminate() {
	i := t.launched(t.request())
	for range 2 {
		if err := t.cloud.Terminate(t.ctx, i.Ref); err != nil {
			t.Errorf("Terminate: %v", err)
		}
		t.wantNothing()
	}
}

func (t *cloudTest) launchAgain() {
	i := t.launched(t.request())
	if err := t.cloud.Terminate(t.ctx, i.Ref); err != nil {
		t.Fatalf("Terminate: %v", err)
	}
	if again := t.launched(t.request()); !again.Running {
		t.Errorf("Launch = %+v, want a running machine", again)
	}
}

func (t *cloudTest) list() {
	want := make(map[serve.Ref]bool)
	refs := []serve.Ref{
		{Service: "web", UID: "5f3c", Replica: 1},
		{Service: "web", UID: "5f3c", Replica: 2},
		{Service: "web", UID: "77aa", Replica: 1},
		{Service: "web-1", UID: "5f3c", Replica: 1},
		{Service: "we", UID: "5f3c", Replica: 1},
	}
	errs := make([]error, len(refs))
	var all sync.WaitGroup
	for i, ref := range refs {
		req := t.request()
		req.Ref = ref
		t.ends(ref)
		all.Go(func() { _, errs[i] = t.cloud.Launch(t.ctx, req) })
		if ref.Service == "web" {
			want[ref] = true
		}
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("Launch: %v", err)
	}
	got := make(map[serve.Ref]bool)
	for _, i := range t.listed("web") {
		got[i.Ref] = true
	}
	if !maps.Equal(want, got) {
		t.Errorf("List gives %v, want %v", got, want)
	}
	if list := t.listed("no-such-service"); len(list) > 0 {
		t.Errorf("List of a service that never was = %+v", list)
	}
}

func (t *cloudTest) logsNotFound() {
	if _, err := t.cloud.Logs(t.ctx, t.request().Ref, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Logs = %v, want ErrNotFound", err)
	}
}

func (t *cloudTest) logs() {
	t.needScripts()
	i := t.launched(t.request())
	t.read(i.Ref, serve.LogOptions{Follow: true}, "first\nsecond\n")
	t.read(i.Ref, serve.LogOptions{}, "first\nsecond\n")
	t.read(i.Ref, serve.LogOptions{Tail: 1}, "second\n")
}

// read reads as much of a log as is wanted, and without follow to its end.
func (t *cloudTest) read(ref serve.Ref, opt serve.LogOptions, want string) {
	t.Helper()
	log, err := t.cloud.Logs(t.ctx, ref, opt)
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	defer log.Close()
	got := make([]byte, len(want))
	if !opt.Follow {
		got, err = io.ReadAll(log)
	} else {
		_, err = io.ReadFull(log, got)
	}
	if err != nil || string(got) != want {
		t.Errorf("Logs(%+v) = %q, %v; want %q", opt, got, err, want)
	}
}

func (t *cloudTest) logsFollowed() {
	t.needScripts()
	req := t.request()
	req.Task.Run = "trap 'echo last; exit 0' TERM; echo first; while :; do sleep 0.01; done"
	i := t.launched(req)
	log, err := t.cloud.Logs(t.ctx, i.Ref, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	defer log.Close()
	got := make([]byte, len("first\n"))
	if _, err := io.ReadFull(log, got); err != nil {
		t.Fatalf("reading the log: %v", err)
	}
	if err := t.cloud.Terminate(t.ctx, i.Ref); err != nil {
		t.Fatalf("Terminate: %v", err)
	}
	rest, err := io.ReadAll(log)
	if err != nil || strings.Contains(string(rest), "first") {
		t.Errorf("the rest of the log is %q, %v; want its end, once", rest, err)
	}
}

func (t *cloudTest) needScripts() {
	t.Helper()
	if !t.hooks.Scripts {
		t.Skip("the machines of this cloud run nothing in tests")
	}
}
