// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// DeployerHooks is what a deployer's test can do behind its back. What is nil is
// not tested.
type DeployerHooks struct {
	// Kill ends the controller as a crash would, and waits for its end.
	Kill func(t *testing.T, d serve.Deployer, service string)
	// Forget deletes whatever record there is of the controller.
	Forget func(t *testing.T, d serve.Deployer, service string)
	// Launch makes a machine tagged with the service's name.
	Launch func(t *testing.T, d serve.Deployer, service string, replica int64) serve.Instance
	// Patience is how long each test may take, where machines take long to start;
	// zero is as long as anywhere.
	Patience time.Duration
}

// TestDeployer checks that what newDeployer makes keeps the contract of
// [serve.Deployer]. It deploys the services "web" and "other", and newDeployer
// must see to their end.
func TestDeployer(t *testing.T, newDeployer func(t *testing.T) serve.Deployer, hooks DeployerHooks) {
	for name, test := range map[string]func(*deployerTest){
		"what was never deployed is not found":                     (*deployerTest).findNothing,
		"destroying nothing is success":                            (*deployerTest).destroyNothing,
		"a deployed controller answers, is found and is listed":    (*deployerTest).deploy,
		"deploying twice is deploying once":                        (*deployerTest).deployTwice,
		"a dead controller is unreachable, and deployed again":     (*deployerTest).deployAgain,
		"a destroyed controller is not found":                      (*deployerTest).destroy,
		"destroy ends the machines of a dead controller":           (*deployerTest).destroyDead,
		"destroy ends the machines of a controller without record": (*deployerTest).destroyForgotten,
		"destroy leaves other services alone":                      (*deployerTest).destroyOne,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(hooks.Patience, patience))
			defer cancel()
			test(&deployerTest{T: t, ctx: ctx, d: newDeployer(t), hooks: hooks})
		})
	}
}

// deployerTest is one test of a deployer.
type deployerTest struct {
	*testing.T
	ctx   context.Context
	d     serve.Deployer
	hooks DeployerHooks
}

func (t *deployerTest) deployed(service string) serve.Client {
	t.Helper()
	c, err := t.d.Deploy(t.ctx, service, serve.DeployOptions{})
	if err != nil {
		t.Fatalf("Deploy(%q): %v", service, err)
	}
	return c
}

// answers checks that there is a controller behind c, and gives what it says.
// It was given no spec, so it may have no service to show.
func (t *deployerTest) answers(c serve.Client) serve.Service {
	t.Helper()
	s, err := c.Service(t.ctx)
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("the controller does not answer: %v", err)
	}
	return s
}

func (t *deployerTest) destroyed(service string) []serve.Instance {
	t.Helper()
	swept, err := t.d.Destroy(t.ctx, service)
	if err != nil {
		t.Fatalf("Destroy(%q): %v", service, err)
	}
	return swept
}

// wantFind checks what Find says of "web".
func (t *deployerTest) wantFind(want error) {
	t.Helper()
	if _, err := t.d.Find(t.ctx, "web"); !errors.Is(err, want) {
		t.Errorf("Find = %v, want %v", err, want)
	}
}

func (t *deployerTest) wantList(want ...string) {
	t.Helper()
	if got, err := t.d.List(t.ctx); err != nil || !slices.Equal(got, want) {
		t.Errorf("List = %q, %v; want %q", got, err, want)
	}
}

func (t *deployerTest) findNothing() {
	t.wantFind(serve.ErrNotFound)
	t.wantList()
}

func (t *deployerTest) destroyNothing() {
	if swept := t.destroyed("web"); len(swept) > 0 {
		t.Errorf("Destroy swept %+v, want nothing", swept)
	}
}

func (t *deployerTest) deploy() {
	t.answers(t.deployed("web"))
	c, err := t.d.Find(t.ctx, "web")
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	t.answers(c)
	t.wantList("web")
}

func (t *deployerTest) deployTwice() {
	first := t.answers(t.deployed("web"))
	second := t.answers(t.deployed("web"))
	if first.UID != second.UID || first.Message != second.Message {
		t.Errorf("two deployments gave two controllers: %+v and %+v", first, second)
	}
	t.wantList("web")
}

func (t *deployerTest) deployAgain() {
	t.needs(t.hooks.Kill != nil)
	t.deployed("web")
	t.hooks.Kill(t.T, t.d, "web")
	t.wantFind(serve.ErrUnreachable)
	t.wantList("web")
	t.answers(t.deployed("web"))
	t.wantFind(nil)
}

func (t *deployerTest) destroy() {
	t.deployed("web")
	t.destroyed("web")
	t.wantFind(serve.ErrNotFound)
	t.wantList()
	t.answers(t.deployed("web"))
}

func (t *deployerTest) destroyDead() {
	t.needs(t.hooks.Kill != nil && t.hooks.Launch != nil)
	t.deployed("web")
	t.launched("web", 1)
	t.launched("web", 2)
	t.hooks.Kill(t.T, t.d, "web")
	t.wantSwept("web", 1, 2)
	t.wantFind(serve.ErrNotFound)
}

func (t *deployerTest) destroyForgotten() {
	t.needs(t.hooks.Forget != nil && t.hooks.Launch != nil)
	t.deployed("web")
	t.launched("web", 1)
	t.hooks.Forget(t.T, t.d, "web")
	// Something is left of it: that it does not exist would not be true.
	t.wantFind(serve.ErrUnreachable)
	t.wantList("web")
	t.wantSwept("web", 1)
	t.wantFind(serve.ErrNotFound)
	t.wantList()
}

func (t *deployerTest) destroyOne() {
	t.needs(t.hooks.Launch != nil)
	t.deployed("web")
	other := t.answers(t.deployed("other"))
	t.launched("web", 1)
	t.launched("other", 1)
	t.wantSwept("web", 1)
	t.wantList("other")
	if now := t.answers(t.deployed("other")); now.Message != other.Message || now.UID != other.UID {
		t.Errorf("the other controller was %+v and is now %+v", other, now)
	}
	t.wantSwept("other", 1)
}

func (t *deployerTest) launched(service string, replica int64) {
	t.Helper()
	if i := t.hooks.Launch(t.T, t.d, service, replica); !i.Running {
		t.Fatalf("Launch = %+v, want a running machine", i)
	}
}

// wantSwept destroys the service, and checks which replicas' machines that ended.
func (t *deployerTest) wantSwept(service string, want ...int64) {
	t.Helper()
	var got []int64
	for _, i := range t.destroyed(service) {
		if i.Ref.Service != service {
			t.Errorf("Destroy(%q) swept %+v", service, i)
		}
		got = append(got, i.Ref.Replica)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("Destroy(%q) swept the machines of replicas %v, want %v", service, got, want)
	}
	if again := t.destroyed(service); len(again) > 0 {
		t.Errorf("Destroy left %+v", again)
	}
}

func (t *deployerTest) needs(hooks bool) {
	t.Helper()
	if !hooks {
		t.Skip("the test cannot do that behind this deployer's back")
	}
}
