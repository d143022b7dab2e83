// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a Terraform workspace with an example about a cloud.
type example struct {
	*workspace
	ground ground
	// infra is the name of the cloud.
	infra string
}

// often has replicas be probed more often than the examples ask for: they would be
// waited for ten seconds each time.
const often = `resource "serve_service" "http" {
  readiness_probe = {
    path                            = "/health"
    endpoint_probe_interval_seconds = 0.5
  }
}
`

// onTheExample makes a workspace with an example, in a place of its own.
func onTheExample(t *testing.T, name, infra string, g ground) *example {
	t.Helper()
	w := newWorkspace(t)
	examples := t.TempDir()
	for _, dir := range []string{name, "http_server"} {
		mustDo(t, func() error {
			return os.CopyFS(filepath.Join(examples, dir), os.DirFS(filepath.Join("../../examples", dir)))
		})
	}
	w.dir = filepath.Join(examples, name)
	mustDo(t, func() error { return os.WriteFile(filepath.Join(w.dir, "probe_override.tf"), []byte(often), 0o600) })
	return &example{w, g, infra}
}

// configure has the cloud be reached in another way than the example does.
func (e *example) configure(attributes string) {
	e.t.Helper()
	override := fmt.Appendf(nil, "provider \"serve\" {\n  %s = {\n %s\n }\n}\n", e.infra, attributes)
	if err := os.WriteFile(filepath.Join(e.dir, "test_override.tf"), override, 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// await waits until something is so, and gives how long that took.
func (e *example) await(what string, so func() bool) time.Duration {
	e.t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > e.ground.patience() {
			e.t.Fatalf("after %v it is not so that %s: %+v", time.Since(began), what, e.ground.live())
		}
		<-time.After(50 * time.Millisecond)
	}
	return time.Since(began)
}

// settled waits until there is just one ready replica of each market, and gives
// their machines.
func (e *example) settled(what string) (spot, onDemand string, after time.Duration) {
	e.t.Helper()
	client, err := e.deployer.Find(e.t.Context(), "http-server-"+e.infra)
	if err != nil {
		e.t.Fatal(err)
	}
	after = e.await(what, func() bool {
		s, err := client.Service(e.t.Context())
		if err != nil || s.Counts.Ready != 2 || s.Counts.Spot != 1 || s.Counts.Total != 2 {
			return false
		}
		live := e.ground.live()
		for _, m := range live {
			if m.spot {
				spot = m.id
			} else {
				onDemand = m.id
			}
		}
		return len(live) == 2
	})
	return spot, onDemand, after
}

// begin applies the example, and has somebody ask it from then on.
func (e *example) begin() (spot, onDemand string, enough func()) {
	e.t.Helper()
	if plan := e.must(0, "plan"); !strings.Contains(plan, "hourly_cost") || strings.Contains(plan, "may be missing") {
		e.t.Errorf("the plan does not say what it costs, or warns:\n%s", plan)
	}
	e.must(0, "apply", "-auto-approve")
	endpoint := strings.TrimSpace(e.must(0, "output", "-raw", "endpoint"))
	e.must(0, "plan", "-detailed-exitcode")
	spot, onDemand, after := e.settled("there is one replica of each market")
	e.t.Logf("a spot and an on-demand replica serve, %v after the apply", after)
	asking := asking(endpoint)
	return spot, onDemand, func() {
		asked, bad := asking()
		e.t.Logf("%d requests meanwhile", asked)
		if asked == 0 || len(bad) > 0 {
			e.t.Errorf("of %d requests %d failed: %v", asked, len(bad), bad)
		}
	}
}

// finish destroys it, and looks for what is left.
func (e *example) finish() {
	e.t.Helper()
	e.must(0, "destroy", "-auto-approve")
	if live, left := e.ground.live(), e.ground.left(); len(live)+len(left) > 0 {
		e.t.Errorf("there are left: %+v, %v", live, left)
	}
	e.nothingLeft()
}

// replaced has a machine end, and waits until all is as before.
func (e *example) replaced(id, what string) (spot, onDemand string) {
	e.t.Helper()
	e.ground.end(id)
	e.await("the machine is gone", func() bool {
		return !slices.ContainsFunc(e.ground.live(), func(m machine) bool { return m.id == id })
	})
	spot, onDemand, after := e.settled(what)
	e.t.Logf("%s, %v after the machine is gone", what, after)
	return spot, onDemand
}

// lives has the example go through its life: from the first apply to the last machine,
// with a spot machine that is taken, and an on-demand one that loses power.
func (e *example) lives(cloud emulation) {
	e.t.Helper()
	launches := cloud.watch()
	spot, _, enough := e.begin()
	for len(launches) > 0 {
		<-launches
	}
	at := time.Now()
	cloud.take(spot)
	after := (<-launches).Sub(at)
	e.t.Logf("on-demand is asked for %v after the notice", after)
	if after > 2*promise { // other tests may keep the machine busy
		e.t.Errorf("on-demand is asked for %v after the notice", after)
	}
	_, onDemand := e.replaced(spot, "a spot replica serves again, and nobody stands in for it")
	e.replaced(onDemand, "a replica whose machine has lost power is replaced")
	enough()
	e.finish()
}

// survives has the example lose both of its machines, on a cloud that gives no notice
// when it is asked to end one.
func (e *example) survives() {
	e.t.Helper()
	spot, _, enough := e.begin()
	_, onDemand := e.replaced(spot, "a spot replica serves again, and nobody stands in for it")
	e.replaced(onDemand, "the on-demand base is there again")
	enough()
	e.finish()
}

// promise is how long after a notice on-demand is asked for at the latest.
const promise = 2 * time.Second

// asking asks the example again and again until its result is wanted.
func asking(endpoint string) func() (asked int, bad []error) {
	return askingBy(func() error { return hello(endpoint) })
}

// askingBy asks a service again and again until its result is wanted.
func askingBy(ask func() error) func() (asked int, bad []error) {
	stop, over := make(chan struct{}), make(chan struct{})
	var asked int
	var bad []error
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked++
			if err := ask(); err != nil {
				bad = append(bad, err)
			}
		}
	}()
	return func() (int, []error) {
		close(stop)
		<-over
		return asked, bad
	}
}

// hello asks the example once.
func hello(endpoint string) error {
	resp, err := http.Get(endpoint)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Hello!")) {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}
