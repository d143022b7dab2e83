// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAStatusThatMovesByItselfIsNoDiff(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	looks := 0
	f.look = func(s *serve.Service) {
		// Every look finds other replicas, in other states.
		looks++
		[]script{ready, slow, broken}[looks%3](s)
		s.Target, s.QPS, s.Message = 1+looks%3, float64(looks), "busy"
	}
	run(t, f,
		resource.TestStep{Config: service(""), ConfigPlanChecks: thenNothingToDo()},
		resource.TestStep{Config: service(""), ConfigPlanChecks: expecting(plancheck.ResourceActionNoop)},
		resource.TestStep{RefreshState: true, RefreshPlanChecks: resource.RefreshPlanChecks{
			PostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
		}},
		resource.TestStep{
			Config: service("replicas = 2"),
			// What is planned must hold whatever the status does meanwhile.
			ConfigPlanChecks: expecting(plancheck.ResourceActionUpdate),
		},
	)
	if looks < 6 {
		t.Errorf("the status has moved only %d times", looks)
	}
}

func TestADeadControllerIsStartedByTheNextApply(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	run(t, f,
		resource.TestStep{Config: service("")},
		resource.TestStep{
			PreConfig: func() { f.alter("web", func(c *controller) { c.dead = true }) },
			Config:    service(""),
			ConfigPlanChecks: expecting(plancheck.ResourceActionUpdate,
				plancheck.ExpectUnknownValue(address, tfjsonpath.New("status")),
				plancheck.ExpectUnknownValue(address, tfjsonpath.New("endpoint")),
			),
			ConfigStateChecks: []statecheck.StateCheck{
				has(knownvalue.StringExact("READY"), "status", "phase"),
				has(knownvalue.Int64Exact(1), "revision"),
			},
		},
	)
	if got := f.count("deploy"); got != 2 {
		t.Errorf("the controller was deployed %d times, want 2", got)
	}
}

func TestARefreshThatReachesNobodyKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service("replicas = 3"))
	tf.apply(t)
	f.alter("web", func(c *controller) { c.dead = true })
	found, ok := tf.apply(t, "-refresh-only")
	said(t, found, "warning", "The controller does not answer", `service "web"`, "The next apply starts its controller again", "connection refused")
	if !ok {
		t.Error("the refresh failed")
	}
	if k := tf.kept(t); k == nil || k.Values.Status.Phase != "CONTROLLER_FAILED" || k.Values.Status.Ready != 3 || k.Values.Revision != 1 {
		t.Errorf("the state has %+v, want what was known and the phase CONTROLLER_FAILED", k)
	}
}

func TestARefreshThatFailsOtherwiseIsAnError(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, service(""))
	tf.apply(t)
	f.fail["service"] = serve.ErrUnauthorized
	said(t, tf.plan(t), "error", "Reading the service failed", "unauthorized")
	if tf.kept(t) == nil {
		t.Error("the service is not in state any more")
	}
}

func TestNoSecretIsInStateOrPlan(t *testing.T) {
	t.Parallel()
	f := newInfra(broken) // an error after the service is in state is the hard case
	tf := newTerraform(t, f, service(`secrets_wo = { TOKEN = "hunter2" }`))
	tf.apply(t)
	tf.command(t, "plan", "-out", "plan")
	shown, _ := tf.command(t, "show", "-json", "plan")
	state, err := os.ReadFile(filepath.Join(tf.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"state": string(state), "plan": shown} {
		// A plan holds the configuration's expressions, with what is written in them.
		text, _, _ = strings.Cut(text, `"configuration"`)
		if strings.Contains(text, "hunter2") {
			t.Errorf("the secret is in the %s:\n%s", what, text)
		}
	}
}

func TestANewRevisionThatCannotRunIsAnErrorAndNoTaint(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	tf.becomes(t, "create", service("envs = { A = 1 }"))
	f.script = func(s *serve.Service) {
		// The old revision goes on serving.
		old := s.Replicas
		broken(s)
		s.Replicas = append(old, s.Replicas...)
		s.Status, s.Message = serve.Ready, ""
	}
	tf.write(t, service("envs = { A = 2 }"))
	found, ok := tf.apply(t)
	said(t, found, "error", "Revision 2 has failed", "earlier revision go on serving", "run ended with exit code 1", "The log of replica 2 ends with")
	if ok {
		t.Error("the apply succeeded")
	}
	if k := tf.kept(t); k == nil || k.Tainted || k.Values.Revision != 2 {
		t.Errorf("the state has %+v, want revision 2 untainted", k)
	}
}

func TestSecretsAreSentOnlyWhenTheirVersionChanges(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	for _, step := range []struct{ what, action, config, holds string }{
		{"created", "create", `secrets_wo = { TOKEN = "one" }
			secrets_wo_version = 1`, "one"},
		{"another secret of the same version", "noop", `secrets_wo = { TOKEN = "two" }
			secrets_wo_version = 1`, "one"},
		{"another number of replicas", "update", `secrets_wo = { TOKEN = "two" }
			secrets_wo_version = 1
			replicas = 2`, "one"},
		{"another version", "update", `secrets_wo = { TOKEN = "two" }
			secrets_wo_version = 2
			replicas = 2`, "two"},
		{"no secret any more", "update", "", ""},
	} {
		tf.becomes(t, step.action, service(step.config))
		f.alter("web", func(c *controller) {
			if got := c.secrets["TOKEN"]; got != step.holds {
				t.Errorf("%s: the controller has the secret %q, want %q", step.what, got, step.holds)
			}
		})
	}
}

func TestAControllerThatLostItsStoreGetsTheSecretsAgain(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	config := service(`secrets_wo = { TOKEN = "hunter2" }`)
	tf.becomes(t, "create", config)
	f.alter("web", func(c *controller) { c.dead, c.svc, c.secrets = true, nil, nil })
	tf.write(t, config)
	found, ok := tf.apply(t)
	said(t, found, "warning", "The controller does not answer")
	f.alter("web", func(c *controller) {
		if got := c.secrets["TOKEN"]; !ok || got != "hunter2" {
			t.Errorf("the controller has the secret %q", got)
		}
	})
}
