// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// errCut is what is heard of a call that no answer came to.
var errCut = errors.New("connection reset by peer")

// cut is how something that is done by steps is cut off in the middle: the calls before
// the one at which it is are answered, and no other. Either the process is killed before
// it makes that call, or the answers are lost on their way: what was asked is done, as
// often as it is tried.
type cut struct {
	at   int // never, if it is 0
	lost bool
	// again has the service be deployed afterwards, before it is destroyed.
	again bool
}

// String says what happens.
func (c cut) String() string {
	text := fmt.Sprintf("killed before call %d", c.at)
	if c.lost {
		text = fmt.Sprintf("answers are lost from call %d on", c.at)
	}
	if c.again {
		text += ", and it is deployed again"
	}
	return text
}

// cuts are all those of something that takes so many calls, or some in a hurry.
func cuts(calls int) (all []cut) {
	step := 1
	if testing.Short() {
		step = 7
	}
	for at := 1; at <= calls; at += step {
		all = append(all, cut{at, false, false}, cut{at, false, true}, cut{at, true, false}, cut{at, true, true})
	}
	return all
}

// way is one to a cloud that is cut.
type way struct {
	cut
	to http.RoundTripper

	mu    sync.Mutex
	calls int
	kill  func()
}

// until gives a context that ends when the process is killed.
func (w *way) until(ctx context.Context) context.Context {
	ctx, w.kill = context.WithCancel(ctx)
	return ctx
}

// was reports whether it came to that.
func (w *way) was() bool { return w.calls >= w.at }

// RoundTrip implements [http.RoundTripper].
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.calls++
	cut := w.at > 0 && w.was()
	w.mu.Unlock()
	if cut && !w.lost {
		w.kill()
		if r.Body != nil {
			_ = r.Body.Close() // nobody reads it
		}
		return nil, errCut
	}
	resp, err := w.to.RoundTrip(r)
	if cut && resp != nil {
		_ = resp.Body.Close() // nobody reads it
	}
	if cut {
		return nil, errCut
	}
	return resp, err
}

// late is how long what was done stays unseen by those who come right after a crash.
const late = 9 * time.Second

// soil is where controllers are put, by the vendor.
type soil struct {
	name string
	new  func(t *testing.T) *ground
}

func soils() []soil { return []soil{{"AWS", groundOfAWS}, {"Google Cloud", groundOfGCP}} }

// Wherever a deployment is cut off, whoever deploys again has one controller, with one
// of each thing that it takes, and whoever destroys leaves nothing: at once, and then.
func TestADeploymentMayBeCutOffAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range soils() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var calls int
			var want []string
			synctest.Test(t, func(t *testing.T) {
				g := s.new(t)
				w := &way{to: g.transport}
				g.deployed(w)
				calls, want = w.calls, kinds(g.left())
				g.destroyed(g.transport)
			})
			t.Logf("%d calls make %q", calls, want)
			for _, c := range cuts(calls) {
				synctest.Test(t, func(t *testing.T) {
					g := s.new(t)
					w := &way{cut: c, to: g.transport}
					if _, err := g.deployer(w).Deploy(w.until(t.Context()), service, serve.DeployOptions{}); w.was() == (err == nil) {
						t.Fatalf("%v: %v", c, err)
					}
					if !c.again {
						g.lag(late)
					} else {
						g.known()
						g.deployed(g.transport)
						if left := g.left(); !slices.Equal(kinds(left), want) {
							t.Errorf("%v: there is %q", c, left)
						}
					}
					g.destroyed(g.transport)
					if left := g.left(); len(left) > 0 {
						t.Errorf("%v: left is %q", c, left)
					}
				})
			}
		})
	}
}

// Wherever the end of a controller with a machine is cut off, whoever destroys it again
// leaves nothing, and until then it is not taken for gone.
func TestADestructionMayBeCutOffAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range soils() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var calls int
			synctest.Test(t, func(t *testing.T) {
				g := s.new(t)
				g.deployed(g.transport)
				g.launched()
				w := &way{to: g.transport}
				g.destroyed(w)
				calls = w.calls
			})
			t.Logf("%d calls end it", calls)
			for _, c := range cuts(calls) {
				if c.again && !c.lost {
					continue // which is as after the call before
				}
				synctest.Test(t, func(t *testing.T) {
					g := s.new(t)
					g.deployed(g.transport)
					g.launched()
					w := &way{cut: c, to: g.transport}
					if _, err := g.deployer(w).Destroy(w.until(t.Context()), service); w.was() == (err == nil) {
						t.Fatalf("%v: %v", c, err)
					}
					if _, err := g.deployer(g.transport).Find(t.Context(), service); errors.Is(err, serve.ErrNotFound) && g.kept() > 2 {
						t.Errorf("%v: it is taken for gone with %d objects in its bucket", c, g.kept())
					}
					g.known()
					if c.again {
						g.deployed(g.transport)
					} else {
						g.lag(late)
					}
					g.destroyed(g.transport)
					if left := g.left(); len(left) > 0 {
						t.Errorf("%v: left is %q", c, left)
					}
				})
			}
		})
	}
}

// kinds gives the first words of what is left, as names differ from one time to the
// next.
func kinds(left []string) []string {
	var all []string
	for _, what := range left {
		kind, _, _ := strings.Cut(what, " ")
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// deploy deploys the service.
func (g *ground) deploy(way http.RoundTripper) (serve.Client, error) {
	return g.deployer(way).Deploy(g.Context(), service, serve.DeployOptions{})
}

func (g *ground) deployed(way http.RoundTripper) {
	g.Helper()
	if _, err := g.deploy(way); err != nil {
		g.Fatal(err)
	}
	if n := len(g.hosts()); n != 1 {
		g.Errorf("the controller has %d machines", n)
	}
}

func (g *ground) destroyed(way http.RoundTripper) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), time.Hour)
	defer cancel()
	if _, err := g.deployer(way).Destroy(ctx, service); err != nil {
		g.Fatal(err)
	}
}

// known checks that what there is something of is listed, so that somebody can destroy
// it, and is not taken for gone by whoever looks for it as long as it costs something.
func (g *ground) known() {
	g.Helper()
	left := g.left()
	if len(left) == 0 {
		return
	}
	d := g.deployer(g.transport)
	if names, err := d.List(g.Context()); err != nil || !slices.Equal(names, []string{service}) {
		g.Errorf("listed are %q, %v, and there is %q", names, err, left)
	}
	costs := func(what string) bool {
		return strings.Contains(what, "instance i") || strings.Contains(what, "address")
	}
	if _, err := d.Find(g.Context(), service); errors.Is(err, serve.ErrNotFound) && slices.ContainsFunc(left, costs) {
		g.Errorf("it is taken for gone, and there is %q", left)
	}
}

// kept is how many objects there are in the bucket.
func (g *ground) kept() int {
	g.Helper()
	b, err := g.bucket(g.Context())
	if err != nil {
		return 0
	}
	keys, err := b.List(g.Context(), "")
	if err != nil {
		g.Fatal(err)
	}
	return len(keys)
}
