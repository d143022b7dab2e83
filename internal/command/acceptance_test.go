// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// workspace is a Terraform configuration in a directory of its own, run by the
// real Terraform with the built provider.
type workspace struct {
	*site
	terraform string
	dir       string
	env       []string
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs Terraform against real processes; TF_ACC=1 or make test does so")
	}
	terraform := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if terraform == "" {
		var err error
		if terraform, err = exec.LookPath("terraform"); err != nil {
			t.Fatal("there is no terraform on PATH; make test finds or fetches one")
		}
	}
	w := &workspace{site: newSite(t), terraform: terraform, dir: t.TempDir()}
	w.env = append(os.Environ(), "SERVE_HOME="+w.home, "TF_IN_AUTOMATION=1")
	w.override(filepath.Dir(w.binary))
	return w
}

// override has Terraform take the provider from a directory.
func (w *workspace) override(dir string) {
	w.t.Helper()
	config := filepath.Join(w.t.TempDir(), "cli.tfrc")
	text := fmt.Sprintf("provider_installation {\n dev_overrides { %q = %q }\n direct {}\n}\n", "serve-infra/serve", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.env = append(w.env, "TF_CLI_CONFIG_FILE="+config)
}

// write replaces the configuration: a service named web with the given
// arguments besides those every test needs.
func (w *workspace) write(arguments string) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
resource "serve_service" "web" {
  name            = "web"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.2 }
  resources       = { ports = 8081, cpus = "2+", use_spot = true }
  run             = "exec '%s'"
  %s
}
`, self, arguments)
	if err := os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run runs terraform and gives its output and exit code.
func (w *workspace) run(arguments ...string) (string, int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.terraform, append(arguments, "-no-color")...)
	cmd.Dir, cmd.Env = w.dir, w.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// must runs terraform and fails the test unless it ends with the exit code.
func (w *workspace) must(code int, arguments ...string) string {
	w.t.Helper()
	out, got := w.run(arguments...)
	if got != code {
		w.t.Fatalf("terraform %s ended with %d, not %d:\n%s", strings.Join(arguments, " "), got, code, out)
	}
	return out
}

// state gives the attributes of the service in Terraform's state.
func (w *workspace) state() map[string]any {
	w.t.Helper()
	var state struct {
		Values struct {
			Root struct {
				Resources []struct {
					Address string         `json:"address"`
					Values  map[string]any `json:"values"`
				} `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	cmd := exec.CommandContext(w.t.Context(), w.terraform, "show", "-json")
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(out, &state); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range state.Values.Root.Resources {
		if r.Address == "serve_service.web" {
			return r.Values
		}
	}
	w.t.Fatal("serve_service.web is not in the state")
	return nil
}

// nothingLeft checks that no process, no replica and no controller is left.
func (w *workspace) nothingLeft() {
	w.t.Helper()
	if left := w.processes(); len(left) > 0 {
		w.t.Errorf("processes are left: %v", left)
	}
	for _, dir := range []string{"replicas", "controllers"} {
		entries, err := os.ReadDir(filepath.Join(w.home, dir))
		if err == nil && len(entries) > 0 {
			w.t.Errorf("files are left: %v", entries)
		}
	}
}

const dynamic = `replica_policy = { min_replicas = 2, max_replicas = 3, target_qps_per_replica = 1000, dynamic_ondemand_fallback = true }`

func (w *workspace) client() serve.Client {
	w.t.Helper()
	client, err := w.deployer.Find(w.t.Context(), "web")
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func TestAccLife(t *testing.T) {
	w := newWorkspace(t)
	work := t.TempDir()
	page := filepath.Join(work, "page.html")
	mustDo(t, func() error { return os.WriteFile(page, []byte("one"), 0o600) })
	arguments := dynamic + fmt.Sprintf("\n  workdir = %q\n  envs = { TEST_SERVER = \"1\" }\n", work)
	w.write(arguments)
	w.must(0, "validate")
	w.must(0, "apply", "-auto-approve")
	if status, ok := w.state()["status"].(map[string]any); !ok || status["phase"] != "READY" {
		t.Errorf("after apply the service is %v", w.state()["status"])
	}
	endpoint := w.state()["endpoint"]

	// Statuses move; the plan stays empty.
	await(t, w.client(), "2/2 on spot", spotOnly(2))
	mustDo(t, func() error { return w.cloud.Preempt(t.Context(), "web", 1) })
	w.must(0, "plan", "-detailed-exitcode")
	await(t, w.client(), "2/2 on spot again", spotOnly(2))
	w.must(0, "plan", "-detailed-exitcode")

	// An edited file is a diff, and a new revision.
	mustDo(t, func() error { return os.WriteFile(page, []byte("two"), 0o600) })
	if out := w.must(2, "plan", "-detailed-exitcode"); !strings.Contains(out, "workdir_digest") || !strings.Contains(out, "updated in-place") {
		t.Errorf("an edited file shows as\n%s", out)
	}
	w.must(0, "apply", "-auto-approve")
	service, err := w.client().Service(t.Context())
	if err != nil || service.Revision != 2 {
		t.Errorf("after an edit the revision is %d, %v", service.Revision, err)
	}

	// An update in place rolls, and the endpoint stays.
	w.write(strings.Replace(arguments, `"1"`, `"2"`, 1))
	w.must(0, "apply", "-auto-approve")
	service = await(t, w.client(), "revision 3 alone", func(s serve.Service) bool { return slices.Equal(s.ActiveRevisions, []int64{3}) && spotOnly(2)(s) })
	if w.state()["endpoint"] != endpoint || service.Endpoint != endpoint {
		t.Errorf("the endpoint was %v and is %v", endpoint, service.Endpoint)
	}
	w.must(0, "plan", "-detailed-exitcode")

	// Forgotten and imported, it is the same service.
	w.must(0, "state", "rm", "serve_service.web")
	w.must(0, "import", "serve_service.web", "web")
	w.must(0, "apply", "-auto-approve")
	after, err := w.client().Service(t.Context())
	if err != nil || after.Revision != service.Revision || after.UID != service.UID {
		t.Errorf("after import it is revision %d of %s, not %d of %s: %v", after.Revision, after.UID, service.Revision, service.UID, err)
	}

	w.must(0, "destroy", "-auto-approve")
	w.nothingLeft()
}

// A dead controller is not a lost service: a refresh says so, apply starts it again.
func TestAccDeadControllerIsStartedAgain(t *testing.T) {
	w := newWorkspace(t)
	w.write(dynamic + "\n  envs = { TEST_SERVER = \"1\" }\n")
	w.must(0, "apply", "-auto-approve")
	before := await(t, w.client(), "2/2 on spot", spotOnly(2))
	w.killController("web")
	if out := w.must(2, "plan", "-detailed-exitcode"); !strings.Contains(out, "controller") {
		t.Errorf("the plan does not say that the controller is dead:\n%s", out)
	}
	w.must(0, "apply", "-auto-approve")
	after := await(t, w.client(), "2/2 on spot", spotOnly(2))
	if after.UID != before.UID || after.Revision != before.Revision || after.Replicas[0].ID != before.Replicas[0].ID {
		t.Errorf("it is another service: %+v, was %+v", after, before)
	}
	w.must(0, "destroy", "-auto-approve")
	w.nothingLeft()
}

// Destroy needs no controller and no record: it asks the cloud itself.
func TestAccDestroyWithoutController(t *testing.T) {
	w := newWorkspace(t)
	w.write(dynamic + "\n  envs = { TEST_SERVER = \"1\" }\n")
	w.must(0, "apply", "-auto-approve")
	await(t, w.client(), "2/2 on spot", spotOnly(2))
	w.killController("web")
	mustDo(t, func() error { return os.Remove(filepath.Join(w.home, "controllers", "web", "state.db")) })
	out := w.must(0, "destroy", "-auto-approve")
	for _, want := range []string{"web-1", "web-2"} {
		if !strings.Contains(out, want) {
			t.Errorf("destroy does not name %s:\n%s", want, out)
		}
	}
	w.nothingLeft()
}

// A service that starts slowly is not tainted; one that cannot start is an error.
func TestAccSlowAndBroken(t *testing.T) {
	w := newWorkspace(t)
	w.write(dynamic + "\n  timeouts = { create = \"1s\" }\n  setup = \"sleep 60\"\n")
	out := w.must(0, "apply", "-auto-approve")
	if !strings.Contains(out, "Warning") {
		t.Errorf("a slow start gives no warning:\n%s", out)
	}
	w.must(0, "plan", "-detailed-exitcode")
	w.write(dynamic + "\n  setup = \"echo the model is missing; exit 7\"\n")
	out = w.must(1, "apply", "-auto-approve")
	for _, want := range []string{"exit code 7", "the model is missing"} {
		if !strings.Contains(out, want) {
			t.Errorf("the error does not mention %q:\n%s", want, out)
		}
	}
	w.write(dynamic + "\n  load_balancing_policy = \"round_robin\"\n")
	main := filepath.Join(w.dir, "main.tf")
	mustDo(t, func() error {
		text, err := os.ReadFile(main)
		return errors.Join(err, os.WriteFile(main, bytes.Replace(text, []byte(`"2+"`), []byte(`"64"`), 1), 0o600))
	})
	if out = w.must(1, "apply", "-auto-approve"); !strings.Contains(out, "cpus = 64") {
		t.Errorf("the error does not say what cannot be had:\n%s", out)
	}
	w.must(0, "destroy", "-auto-approve")
	w.nothingLeft()
}

// An update that does not work is given up: the apply fails and says why, nothing
// is tainted, the service serves on, and the plan shows the change again.
func TestAccBrokenUpdateIsRolledBack(t *testing.T) {
	w := newWorkspace(t)
	w.write("replicas = 2\n  envs = { TEST_SERVER = \"1\" }\n")
	w.must(0, "apply", "-auto-approve")
	before := w.state()
	w.write("replicas = 2\n  envs = { TEST_SERVER = \"1\" }\n  setup = \"echo the model is missing; exit 7\"\n")
	out := w.must(1, "apply", "-auto-approve")
	for _, want := range []string{"Revision 2 was rolled back", "exit code 7", "the model is missing", "Revision 1 is in force again"} {
		if !strings.Contains(out, want) {
			t.Errorf("the error does not mention %q:\n%s", want, out)
		}
	}
	out = w.must(2, "plan", "-detailed-exitcode")
	if !strings.Contains(out, "1 to change") || strings.Contains(out, "tainted") {
		t.Errorf("the plan is not to change the service again:\n%s", out)
	}
	service := await(t, w.client(), "the replicas of before alone", func(s serve.Service) bool { return s.Counts.Total == 2 && s.Counts.Ready == 2 })
	if r := service.Replicas; r[0].ID != 1 || r[1].ID != 2 || service.Revision != 3 || service.Endpoint != before["endpoint"] {
		t.Errorf("it is revision %d at %s, with the replicas %d and %d", service.Revision, service.Endpoint, r[0].ID, r[1].ID)
	}
	w.write("replicas = 2\n  envs = { TEST_SERVER = \"1\" }\n")
	w.must(0, "plan", "-detailed-exitcode")
	w.must(0, "destroy", "-auto-approve")
	w.nothingLeft()
}

// Of two who create a service of one name at the same moment one is told, and
// the other one's service is left alone.
func TestAccTwoCreators(t *testing.T) {
	w := newWorkspace(t)
	other := &workspace{site: w.site, terraform: w.terraform, dir: t.TempDir(), env: w.env}
	var outs [2]string
	var codes [2]int
	var both sync.WaitGroup
	for i, one := range []*workspace{w, other} {
		one.write(dynamic + "\n  envs = { TEST_SERVER = \"1\" }\n")
		both.Go(func() { outs[i], codes[i] = one.run("apply", "-auto-approve") })
	}
	both.Wait()
	if codes[0]+codes[1] != 1 {
		t.Errorf("the two ended with %v:\n%s\n%s", codes, outs[0], outs[1])
	}
	if !strings.Contains(outs[0]+outs[1], "already exists") {
		t.Errorf("nobody was told:\n%s\n%s", outs[0], outs[1])
	}
	if s := await(t, w.client(), "2/2 on spot", spotOnly(2)); s.Revision != 1 {
		t.Errorf("it is revision %d", s.Revision)
	}
	for i, one := range []*workspace{w, other} {
		if codes[i] == 0 {
			one.must(0, "destroy", "-auto-approve")
		}
	}
	w.nothingLeft()
}

// What ends a whole group of processes, as a CI runner does, must not end the
// plugin before Terraform has noted what it made.
func TestAccTerminatedGroupLosesNothing(t *testing.T) {
	w := newWorkspace(t)
	w.write(dynamic + "\n  setup = \"sleep 60\"\n")
	cmd := exec.Command(w.terraform, "apply", "-auto-approve", "-no-color")
	cmd.Dir, cmd.Env = w.dir, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	mustDo(t, cmd.Start)
	w.created()
	mustDo(t, func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) })
	if err := cmd.Wait(); err == nil {
		t.Errorf("an apply that was terminated succeeded:\n%s", &out)
	}
	if w.state()["name"] != "web" {
		t.Errorf("the service is not in the state:\n%s", &out)
	}
	if plan := w.must(0, "plan", "-detailed-exitcode"); strings.Contains(plan, "tainted") {
		t.Errorf("the service is tainted:\n%s", plan)
	}
	w.must(0, "destroy", "-auto-approve")
	w.nothingLeft()
}

// created waits until the service exists.
func (w *workspace) created() {
	w.t.Helper()
	deadline := time.After(patience)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if client, err := w.deployer.Find(w.t.Context(), "web"); err == nil {
			if _, err := client.Service(w.t.Context()); err == nil {
				return
			}
		}
		select {
		case <-look.C:
		case <-deadline:
			w.t.Fatal("the service was never created")
		}
	}
}
