// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"bufio"
	"context"
	"os"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// TestMain lets the test binary stand in for the program: started as a machine
// or as a controller it is one.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 2 && os.Args[1] == "local-machine":
		err = RunMachine(context.Background(), os.Args[2])
	case len(os.Args) > 5 && os.Args[1] == "controller":
		err = runController(os.Args[3], os.Args[5])
	default:
		// With the race detector a process sleeps for a second before it exits.
		if err = os.Setenv("GORACE", "atexit_sleep_ms=0"); err == nil {
			m.Run()
		}
	}
	if err != nil {
		panic(err)
	}
}

const patience = 30 * time.Second

// fixture is a cloud in a home directory of its own.
type fixture struct {
	*testing.T
	*Cloud
	home home
	ctx  context.Context
}

// newFixture gives a cloud with the default market as change leaves it. When
// the test ends nothing of it may be left running.
func newFixture(t *testing.T, change func(*config)) *fixture {
	t.Helper()
	h, err := makeHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := defaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := jsonfile.Write(h.market(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	f := &fixture{T: t, Cloud: newCloud(h), home: h, ctx: ctx}
	t.Cleanup(f.sweep)
	return f
}

func newCloud(h home) *Cloud {
	return NewCloud(CloudOptions{Root: string(h), Executable: os.Args[0]})
}

func (f *fixture) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := names(f.home)
	if err != nil {
		f.Error(err)
	}
	for name := range all {
		list, err := f.List(ctx, name)
		if err != nil {
			f.Error(err)
		}
		for _, i := range list {
			if err := f.Terminate(ctx, i.Ref); err != nil {
				f.Error(err)
			}
		}
	}
	f.nothingRuns()
}

// nothingRuns checks that no process carries the tags of this home.
func (f *fixture) nothingRuns() {
	f.Helper()
	left, err := members(f.home)
	if err != nil || len(left) > 0 {
		f.Errorf("still running: %+v, %v", left, err)
	}
}

// request asks for a machine that runs script.
func (f *fixture) request(id int64, script string) serve.LaunchRequest {
	f.Helper()
	offers, err := f.Offers(f.ctx, serve.Resource{})
	if err != nil || len(offers) == 0 {
		f.Fatalf("Offers = %v, %v", offers, err)
	}
	return serve.LaunchRequest{
		Ref:   serve.Ref{Service: "web", UID: "5f3c", Replica: id},
		Offer: offers[0],
		Port:  8080,
		Task:  serve.Task{Run: script},
	}
}

func (f *fixture) launch(req serve.LaunchRequest) serve.Instance {
	f.Helper()
	i, err := f.Launch(f.ctx, req)
	if err != nil {
		f.Fatalf("Launch: %v", err)
	}
	return i
}

func (f *fixture) record(ref serve.Ref) record {
	f.Helper()
	r, err := readRecord(f.home.replica(ref))
	if err != nil {
		f.Fatalf("reading the machine: %v", err)
	}
	return r
}

// watch collects notices until the test or the returned function ends it.
func (f *fixture) watch(c *Cloud) (notices <-chan serve.Notice, stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	ch := make(chan serve.Notice, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Notices(ctx, "web", func(n serve.Notice) { ch <- n }); ctx.Err() == nil {
			f.Errorf("Notices = %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	f.Cleanup(stop)
	return ch, stop
}

func (f *fixture) await(notices <-chan serve.Notice, kind serve.NoticeKind) serve.Notice {
	f.Helper()
	for {
		select {
		case n := <-notices:
			if n.Kind == kind {
				return n
			}
			f.Logf("passed over %+v", n)
		case <-f.ctx.Done():
			f.Fatalf("no notice %q has come", kind)
		}
	}
}

// printed waits until the replica has printed the text.
func (f *fixture) printed(ref serve.Ref, text string) {
	f.Helper()
	log, err := f.Logs(f.ctx, ref, serve.LogOptions{Follow: true})
	if err != nil {
		f.Fatalf("Logs: %v", err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if lines.Text() == text {
			return
		}
	}
	f.Fatalf("the log ended before %q: %v", text, lines.Err())
}
