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

func TestASlowStartIsAWarning(t *testing.T) {
	t.Parallel()
	f := newInfra(slow)
	tf := newTerraform(t, f, service(`timeouts = { create = "1s", update = "1s" }`))
	found, ok := tf.apply(t)
	said(t, found, "warning", "not ready yet", "0 of 1 replicas of revision 1 are ready", "No replica has answered a probe yet")
	if !ok {
		t.Error("the apply failed")
	}
	if k := tf.kept(t); k == nil || k.Tainted || k.Values.Status.Phase != "NO_REPLICA" {
		t.Errorf("the state has %+v, want the service as it is", k)
	}
	if tf.changes(t) {
		t.Error("the next plan changes something")
	}
}

func TestAnInterruptedWaitKeepsTheService(t *testing.T) {
	t.Parallel()
	f := newInfra(slow)
	tf := newTerraform(t, f, service(""))
	cmd, out := tf.start(t, "apply", "-auto-approve", "-json")
	<-f.watching
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the interrupted apply succeeded")
	}
	if !strings.Contains(out.String(), "Waiting for the service was interrupted") {
		t.Errorf("there is no word of the interruption:\n%s", out)
	}
	if k := tf.kept(t); k == nil || k.Tainted {
		t.Errorf("the state has %+v, want the service", k)
	}
	if tf.changes(t) {
		t.Error("the next plan changes something")
	}
}

func TestAProgramThatCannotRunIsAnErrorWithItsLastWords(t *testing.T) {
	t.Parallel()
	f := newInfra(broken)
	tf := newTerraform(t, f, service(`secrets_wo = { TOKEN = "hunter2" }`))
	found, ok := tf.apply(t)
	said(t, found, "error", "The service has failed", "replica 1 is FAILED: run ended with exit code 1",
		"The log of replica 1 ends with", "replica 1, line 30", "cannot open model.bin with ***")
	if ok {
		t.Error("the apply succeeded")
	}
	if strings.Contains(found[0].Detail, "line 11\n") {
		t.Error("more than the last lines of the log are shown")
	}
	if k := tf.kept(t); k == nil || k.Values.Status.Phase != "FAILED" {
		t.Errorf("the state has %+v, want the failed service", k)
	}
}

func TestANameThatIsTakenIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what  string
		taken *controller
		says  string
	}{
		{"by a service", &controller{svc: &serve.Service{Name: "web", Revision: 7}}, `There is a service "web" on local`},
		{"by a controller that does not answer", &controller{dead: true}, "terraform-provider-serve down web."},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			f := newInfra(ready)
			row.taken.infra, row.taken.name = f, "web"
			f.controllers["web"] = row.taken
			tf := newTerraform(t, f, service(""))
			found, _ := tf.apply(t)
			said(t, found, "error", "already exists", row.says, "terraform import ADDRESS local/web")
			if f.count("deploy")+f.count("apply")+f.count("destroy") > 0 {
				t.Errorf("something was done: %v", f.calls)
			}
			if tf.kept(t) != nil {
				t.Error("the service is in state")
			}
		})
	}
}

func TestWhatFailsBeforeTheServiceExistsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	boom := errors.New("no room")
	for _, row := range []struct{ call, says string }{
		{"deploy", "Deploying the controller failed"},
		{"has bundle", "Uploading this path failed"},
		{"put bundle", "Uploading this path failed"},
		{"apply", "Applying the service failed"},
	} {
		t.Run(row.call, func(t *testing.T) {
			t.Parallel()
			f := newInfra(ready)
			f.fail[row.call] = boom
			tf := newTerraform(t, f, service(`workdir = "`+writeFiles(t, map[string]string{"a": "b"})+`"`))
			found, _ := tf.apply(t)
			said(t, found, "error", row.says, "no room")
			if left, _ := f.List(t.Context()); len(left) > 0 {
				t.Errorf("there are controllers of %v", left)
			}
			if tf.kept(t) != nil {
				t.Error("the service is in state")
			}
		})
	}
}

func TestWhatTheControllerRefusesPointsAtTheArgument(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	f.fail["apply"] = serve.FieldErrors{{Path: "resources.any_of[1].zone", Message: "There is no such zone."}}
	found, _ := newTerraform(t, f, service("")).apply(t)
	said(t, found, "error", "Invalid resources.any_of[1].zone", "There is no such zone.")
	if !strings.Contains(found[0].Snippet.Code, "resources") {
		t.Errorf("Terraform shows %q", found[0].Snippet.Code)
	}
}

func TestWaitingEndsWhereNothingIsWanted(t *testing.T) {
	t.Parallel()
	newTerraform(t, newInfra(ready), "").becomes(t, "create",
		service(`replica_policy = { min_replicas = 0, max_replicas = 2, target_qps_per_replica = 1 }`))
}

func TestAConnectionThatBreaksIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	f.fail["watch"] = serve.ErrUnreachable
	newTerraform(t, f, "").becomes(t, "create", service(""))
	if got := f.count("watch"); got != 2 {
		t.Errorf("the controller was watched %d times, want 2", got)
	}
}

func TestNobodyWaitsWithoutWaitForReady(t *testing.T) {
	t.Parallel()
	f := newInfra(slow)
	newTerraform(t, f, "").becomes(t, "create", service(`wait_for_ready = false`))
	if got := f.count("watch"); got != 0 {
		t.Errorf("the controller was watched %d times", got)
	}
}

func TestTheControllerOfAnInterruptedCreateIsTakenUp(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	f.controllers["web"] = &controller{infra: f, name: "web", bundles: make(map[string]bool)}
	newTerraform(t, f, "").becomes(t, "create", service(""))
}

func TestCommandsAreToldWhereTheControllerIs(t *testing.T) {
	t.Parallel()
	for want, place := range map[string][2]string{
		"":                        {localInfra, ""},
		" --infra kubernetes/web": {kubernetesInfra, "web"},
		" --infra kubernetes":     {kubernetesInfra, ""},
		" --infra aws/us-east-1":  {awsInfra, "us-east-1"},
	} {
		if got := commandFor(place[0], place[1]); got != want {
			t.Errorf("for %v they are told %q, want %q", place, got, want)
		}
	}
}
