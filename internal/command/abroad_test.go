// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// A controller on a machine of AWS has machines of Google Cloud, by a key that it was
// given once and that stands nowhere else. Given another one it shows that, without a
// start, and keeps the one that it has while another is not let in. Whoever destroys the
// service when its controller is dead needs no key of his own.
func TestAccAControllerOnAWSHasMachinesOfGoogleCloud(t *testing.T) {
	w := newWorkspace(t)
	cloud := emulated{awstest.New(t, awstest.Options{Machines: true, Ports: controllerPorts()})}
	there := gcptest.New(t, gcptest.Options{Machines: true})
	w.env = slices.DeleteFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "GOOGLE_") })
	w.env = append(append(w.env, cloud.Environ()...), "GOOGLE_APPLICATION_CREDENTIALS="+os.DevNull)
	key := filepath.Join(w.dir, "key.json")
	give := func(content []byte) { mustDo(t, func() error { return os.WriteFile(key, content, 0o600) }) }
	give(there.Credentials())
	mustDo(t, func() error {
		return os.CopyFS(filepath.Join(w.dir, "http_server"), os.DirFS("../../examples/http_server"))
	})
	var endpoints strings.Builder
	for name, url := range there.Endpoints() {
		fmt.Fprintf(&endpoints, "      %s = %q\n", name, url)
	}
	text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
provider "serve" {
  aws = { region = "us-east-1" }
  gcp = {
    project   = %q
    endpoints = {
%s    }
  }
}
resource "serve_service" "web" {
  name            = "abroad"
  controller      = { infra = "aws" }
  readiness_probe = { path = "/health" }
  replica_policy  = { min_replicas = 2, max_replicas = 2, dynamic_ondemand_fallback = true }
  resources = {
    ports    = 8081
    cpus     = "2"
    use_spot = true
    any_of   = [{ infra = "aws/us-east-1" }, { infra = "gcp/us-east1" }]
  }
  workdir = "${path.module}/http_server"
  run     = "python3 server.py"

  cloud_credentials_wo         = { gcp = { credentials = file("${path.module}/key.json") } }
  cloud_credentials_wo_version = 1
}
output "endpoint" { value = serve_service.web.endpoint }
`, gcptest.Project, endpoints.String())
	mustDo(t, func() error { return os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600) })

	// AWS has nothing but the controller's machine to give.
	cloud.Exhaust(awstest.Pool{Market: awstest.Spot})
	h := &hosted{example: &example{w, cloud, "aws"}, cloud: cloud}
	h.must(0, "apply", "-auto-approve")
	h.endpoint = strings.TrimSpace(h.must(0, "output", "-raw", "endpoint"))
	h.await("all replicas are spot machines of Google Cloud", func() bool {
		live := there.Books().Live()
		spot := slices.DeleteFunc(slices.Clone(live), func(i gcptest.Instance) bool { return i.Market != gcptest.Spot })
		return len(spot) == 2 && len(live) == 2 && len(h.cloud.live()) == 1 && hello(h.endpoint) == nil
	})
	h.must(0, "plan", "-detailed-exitcode")
	private := strings.Split(string(there.Credentials()), "\\n")[3] // a line of the key
	found := cloud.readable()
	state, err := os.ReadFile(filepath.Join(w.dir, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	found["Terraform's state"] = string(state)
	for where, text := range found {
		if strings.Contains(text, private) {
			t.Errorf("the key is in %s", where)
		}
	}

	// What a notice says there is heard here.
	victim := there.Books().Live()[0].Name
	there.Preempt(victim, 5*time.Second)
	h.await("the machine that was taken is replaced", func() bool {
		live := there.Books().Live()
		return len(live) == 2 && !slices.ContainsFunc(live, func(i gcptest.Instance) bool { return i.Name == victim || i.Market != gcptest.Spot })
	})
	if err := hello(h.endpoint); err != nil {
		t.Errorf("then the service answers with %v", err)
	}

	// Of two keys that are sent again the first is of nobody.
	send := func(version int, content []byte) {
		give(content)
		text = strings.Replace(text, fmt.Sprint("_wo_version = ", version-1), fmt.Sprint("_wo_version = ", version), 1)
		mustDo(t, func() error { return os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600) })
		h.must(0, "apply", "-auto-approve")
	}
	events := func() string {
		cmd := exec.CommandContext(t.Context(), w.binary, "events", "abroad", "--infra", "aws")
		cmd.Env = w.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("asking for the events: %v, %s", err, out)
		}
		return string(out)
	}
	before := there.Books().Live()
	nobody, next := there.AddOwner("serve-nobody"), there.AddOwner("serve-next")
	there.Disable(nobody)
	send(2, there.CredentialsOf(nobody))
	h.await("the history says that the key is not used", func() bool {
		return strings.Contains(events(), "The credentials that were given last for the cloud gcp are not used yet")
	})
	send(3, there.CredentialsOf(next))
	there.Disable(gcptest.Account)
	h.await("the history says that another key is used", func() bool {
		return strings.Contains(events(), "The cloud gcp is shown other credentials from now on")
	})
	if now := there.Books().Live(); !slices.EqualFunc(before, now, func(a, b gcptest.Instance) bool { return a.Name == b.Name }) {
		t.Errorf("by other keys %+v became %+v", before, now)
	}
	victim = there.Books().Live()[1].Name
	there.Preempt(victim, 5*time.Second)
	h.await("the machine that was taken is replaced by the new key", func() bool {
		live := there.Books().Live()
		return len(live) == 2 && !slices.ContainsFunc(live, func(i gcptest.Instance) bool { return i.Name == victim || i.Market != gcptest.Spot })
	})
	h.await("the service answers", func() bool { return hello(h.endpoint) == nil })
	if told := events(); strings.Contains(told, "The controller started") {
		t.Errorf("the controller was started again:\n%s", told)
	}
	if made := len(there.Books().Instances); made != 4 {
		t.Errorf("%d machines were made, and not two and one for each that was taken", made)
	}

	// Nobody has the key any more but the controller, and that is dead.
	give([]byte("{}"))
	cloud.Exhaust(awstest.Pool{})
	controller, _ := h.parts()
	cloud.Kill(controller)
	h.must(0, "destroy", "-auto-approve")
	if live, left := h.cloud.live(), append(h.cloud.left(), there.Books().Left()...); len(live)+len(left) > 0 {
		t.Errorf("there are left: %+v, %v", live, left)
	}
	h.nothingLeft()
}
