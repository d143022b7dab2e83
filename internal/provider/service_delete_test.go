// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// stray is a machine that the controller did not end itself.
func stray() []serve.Instance {
	return []serve.Instance{{
		Ref: serve.Ref{Service: "web", UID: "uid", Replica: 4}, ID: "i-0abc",
		Offer: serve.Offer{Location: serve.Location{Cloud: "local", Region: "here", Zone: "a"}},
	}}
}

func TestDestroyingAsksTheControllerFirst(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service(""))
	tf.apply(t)
	f.calls = nil
	if found, ok := tf.apply(t, "-destroy"); !ok || len(found) > 0 {
		t.Errorf("destroying gave %+v", found)
	}
	var asked []string
	for _, call := range f.calls {
		if call == "delete" || call == "destroy" {
			asked = append(asked, call)
		}
	}
	if got := strings.Join(asked, ", "); got != "delete, destroy" {
		t.Errorf("the infra was asked to %s", got)
	}
}

func TestDestroyingDoesNotNeedTheController(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service(""))
	tf.apply(t)
	f.alter("web", func(c *controller) { c.dead = true })
	f.stray = stray()
	found, ok := tf.apply(t, "-destroy", "-refresh=false")
	said(t, found, "warning", "Its controller does not answer", `The service "web" is removed`, "replica 4: i-0abc in local/here/a")
	if !ok {
		t.Error("destroying failed")
	}
	if left, _ := f.List(t.Context()); len(left) > 0 {
		t.Errorf("there are controllers of %v", left)
	}
}

func TestDestroyingDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	f.endless = true
	f.stray = stray()
	tf := newTerraform(t, f, service(`timeouts = { delete = "1s" }`))
	tf.apply(t)
	found, ok := tf.apply(t, "-destroy")
	said(t, found, "warning", "It was not at its end after 1s", "replica 4: i-0abc in local/here/a")
	if !ok || tf.kept(t) != nil {
		t.Error("the service is still in state")
	}
}

func TestAnInterruptedDestroyKeepsTheService(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	f.endless = true
	tf := newTerraform(t, f, service("wait_for_ready = false"))
	tf.apply(t)
	cmd, out := tf.start(t, "apply", "-destroy", "-auto-approve", "-json")
	<-f.watching
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "Destroying the service was interrupted") {
		t.Errorf("the interrupted destroy ended with %v:\n%s", err, out)
	}
	if tf.kept(t) == nil {
		t.Error("the service is not in state any more")
	}
	if f.count("destroy") > 0 {
		t.Error("the controller was destroyed")
	}
}

func TestWhatCannotBeDestroyedStaysInState(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service(""))
	tf.apply(t)
	f.fail["destroy"] = errors.New("machine i-0abc would not end")
	found, ok := tf.apply(t, "-destroy")
	said(t, found, "error", "Removing the service failed", "may cost money", "machine i-0abc would not end")
	if ok || tf.kept(t) == nil {
		t.Error("the service is not in state any more")
	}
}

func TestDestroyingWhatIsGoneIsDone(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service(""))
	tf.apply(t)
	delete(f.controllers, "web")
	if found, ok := tf.apply(t, "-destroy", "-refresh=false"); !ok || len(found) > 0 {
		t.Errorf("destroying gave %+v", found)
	}
}
