// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// configure writes a configuration whose controller is in the cluster.
func (c cluster) configure(w *workspace, copies int) {
	c.Helper()
	text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
provider "serve" {
  kubernetes = { config_path = %q }
}
resource "serve_service" "web" {
  name            = "web"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.2 }
  replicas        = 2
  resources       = { ports = 8081, image_id = "docker:%s/web:1", cpus = "0.02", memory = "0.02" }
  run             = "mkdir -p site && echo ok > site/health && exec httpd -f -p $PORT -h site"
  controller = {
    infra            = "kubernetes"
    namespace        = %q
    image_repository = "%s/controller"
    copies           = %d
    service          = { type = "NodePort" }
  }
}
`, c.config, c.registry, c.namespace, c.registry, copies)
	if err := os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

// status gives what the command line shows of the service.
func (c cluster) status() serve.Service {
	c.Helper()
	var out, problems bytes.Buffer
	p := &Program{Version: "test", Stdout: &out, Stderr: &problems}
	if code := p.Run([]string{"status", "web", "--json", "--infra", "kubernetes/" + c.namespace}); code != 0 {
		c.Fatalf("status ended with %d: %s", code, problems.String())
	}
	var all []serve.Service
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 {
		c.Fatalf("status shows %s (%v)", out.String(), err)
	}
	return all[0]
}

// replicas gives the names of the replicas' pods.
func (c cluster) replicas() []string {
	c.Helper()
	return strings.Fields(c.kubectl("get", "pods", "-l", "app.kubernetes.io/component=replica", "-o", "jsonpath={.items[*].metadata.name}"))
}

// leader gives the pod that leads, empty while none does.
func (c cluster) leader() string {
	c.Helper()
	return c.kubectl("get", "lease", "serve-controller", "-o", "jsonpath={.spec.holderIdentity}")
}

// From an empty cluster to a request that is answered, through the death of leaders
// and the loss of a replica, and back to an empty cluster.
func TestAccControllerInACluster(t *testing.T) {
	c := newCluster(t)
	t.Setenv("KUBECONFIG", c.config)
	w := newWorkspace(t)
	c.configure(w, 2)
	w.must(0, "apply", "-auto-approve")

	endpoint, ok := w.state()["endpoint"].(string)
	if !ok || endpoint == "" {
		t.Fatalf("the endpoint is %v", w.state()["endpoint"])
	}
	shown := c.status()
	table := c.kubectl("get", "serveservices", "web", "--no-headers")
	for _, want := range []string{"web ", string(shown.Status), fmt.Sprintf(" %d/%d ", shown.Counts.Ready, shown.Counts.Total), endpoint} {
		if !strings.Contains(table, want) {
			t.Errorf("kubectl shows %q, which has no %q", table, want)
		}
	}
	if shown.Counts.Ready != 2 || shown.Counts.OnDemand != 2 {
		t.Errorf("status shows %+v, want two on-demand replicas ready", shown.Counts)
	}
	w.must(0, "plan", "-detailed-exitcode")

	c.checkMetrics()

	// One copy after the other is replaced, as by a new image, and nobody notices.
	upgrade := c.ask(endpoint + "/health")
	c.kubectl("rollout", "restart", "deployment", "serve-controller")
	c.kubectl("rollout", "status", "deployment", "serve-controller", "--timeout=120s")
	c.until("the old copies are gone", func() bool {
		return len(strings.Fields(c.kubectl("get", "pods", "-l", "app.kubernetes.io/component=controller", "-o", "name"))) == 2
	})
	if repeated := upgrade(); repeated > 0 {
		t.Errorf("%d requests were lost to an upgrade", repeated)
	}

	traffic := c.ask(endpoint + "/health")
	before := strings.Join(c.replicas(), " ")
	c.killLeader()
	if now := strings.Join(c.replicas(), " "); now != before {
		t.Errorf("the death of the leader has made of the replicas %q these: %q", before, now)
	}
	// Killed at any moment of a decision it leaves nothing undone and nothing twice.
	for range leaderKills() {
		lost := c.replicas()[0]
		c.kubectl("delete", "pod", lost, "--grace-period=0", "--force", "--wait=false")
		<-time.After(rand.N(1500 * time.Millisecond)) // into the replacement, or after it
		c.killLeader()
		c.until("the lost replica is replaced, by one", func() bool {
			s := c.status()
			pods := c.replicas()
			return s.Counts.Ready == 2 && s.Counts.Total == 2 && len(pods) == 2 && !slices.Contains(pods, lost)
		})
	}
	// Another number of copies is no other service.
	revision := w.state()["revision"]
	c.configure(w, 3)
	w.must(0, "apply", "-auto-approve")
	if n := c.kubectl("get", "deployment", "serve-controller", "-o", "jsonpath={.spec.replicas}"); n != "3" || w.state()["revision"] != revision {
		t.Errorf("there are %s copies and revision %v; want 3 and still %v", n, w.state()["revision"], revision)
	}
	traffic()

	w.must(0, "destroy", "-auto-approve")
	if left, _ := c.try("get", "namespace", c.namespace, "--ignore-not-found"); left != "" {
		t.Errorf("the namespace is left: %s", left)
	}
	if left, _ := c.try("get", "clusterroles,clusterrolebindings", "-o", "name"); strings.Contains(left, c.namespace) {
		t.Errorf("something is left in the cluster: %s", left)
	}
}

// A replica that fails leaves its last words, although its pod is gone.
func TestAccAFailedApplyShowsTheLogInACluster(t *testing.T) {
	c := newCluster(t)
	t.Setenv("KUBECONFIG", c.config)
	w := newWorkspace(t)
	c.configure(w, 1)
	rewrite(t, filepath.Join(w.dir, "main.tf"), "exec httpd -f -p $PORT -h site", "echo the disk is full && exit 3")
	out := w.must(1, "apply", "-auto-approve")
	for _, want := range []string{"the disk is full", "exit code 3"} {
		if !strings.Contains(out, want) {
			t.Errorf("a failed apply does not say %q:\n%s", want, out)
		}
	}
	var log, problems bytes.Buffer
	p := &Program{Version: "test", Stdout: &log, Stderr: &problems}
	if code := p.Run([]string{"logs", "web", "1", "--infra", "kubernetes/" + c.namespace}); code != 0 || log.String() != "the disk is full\n" {
		t.Errorf("the log is %q, and logs ended with %d: %s", log.String(), code, problems.String())
	}
	w.must(0, "destroy", "-auto-approve")
}

// checkMetrics looks at what each copy tells of itself.
func (c cluster) checkMetrics() {
	c.Helper()
	leads, ready := 0, 0
	addresses := strings.Fields(c.kubectl("get", "pods", "-l", "app.kubernetes.io/component=controller", "-o", "jsonpath={.items[*].status.podIP}"))
	for _, address := range addresses {
		resp, err := http.Get(fmt.Sprintf("http://%s:%d/metrics", address, kube.HealthPort))
		if err != nil {
			c.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			c.Fatalf("%s %s %v", resp.Status, text, err)
		}
		leads += strings.Count(string(text), "\nserve_controller_leads 1\n")
		ready += strings.Count(string(text), "\nserve_ready_replicas{service=\"web\"} 2\n")
		if !strings.Contains(string(text), `serve_endpoint_answers_total{code="2xx",service="web"}`) {
			c.Errorf("the copy at %s does not tell of its requests:\n%s", address, text)
		}
	}
	// Any of them shows the status page.
	base := fmt.Sprintf("http://%s:%d/services/", addresses[0], kube.HealthPort)
	for path, want := range map[string]string{"web/": "READY", "web/data": `"ready":2`, "web/page.css": "{", "other/": "other"} {
		resp, err := http.Get(base + path)
		if err != nil {
			c.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if known := path != "other/"; err != nil || known != (resp.StatusCode == http.StatusOK) || !strings.Contains(string(text), want) {
			c.Errorf("%s%s answers %s, %v, without %q:\n%s", base, path, resp.Status, err, want, text)
		}
	}
	if leads != 1 || ready != 1 {
		c.Errorf("of %d copies %d lead, and %d tell that two replicas are ready; want one of each", len(addresses), leads, ready)
	}
}

// leaderKills is how often the leader is killed: $SERVE_TEST_KILLS times, or twice.
func leaderKills() int {
	n := 2
	fmt.Sscan(os.Getenv("SERVE_TEST_KILLS"), &n)
	return n
}

// killLeader kills the process that leads, and waits for another to lead, or the
// same anew.
func (c cluster) killLeader() {
	c.Helper()
	was := c.leader()
	renewed := c.renewed()
	if out, err := exec.CommandContext(c.Context(), "pkill", "-9", "-f", "kube-controller --pod="+was+" ").CombinedOutput(); err != nil {
		c.Fatalf("killing the leader %s: %v %s", was, err, out)
	}
	began := time.Now()
	c.until("somebody leads again", func() bool {
		return c.leader() != "" && (c.leader() != was || c.renewed() != renewed) && c.renewed() > renewed
	})
	c.Logf("after the death of %s %s leads, %v later", was, c.leader(), time.Since(began).Round(100*time.Millisecond))
	// What dies often is started again later and later. A pod that takes its place
	// knows nothing of that.
	c.try("--namespace", c.namespace, "delete", "pod", was, "--grace-period=0", "--force")
	c.kubectl("rollout", "status", "deployment", "serve-controller", "--timeout=60s")
}

// renewed is when the lease was renewed last.
func (c cluster) renewed() string {
	c.Helper()
	return c.kubectl("get", "lease", "serve-controller", "-o", "jsonpath={.spec.renewTime}")
}

// until waits until something is so.
func (c cluster) until(what string, is func() bool) {
	c.Helper()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case <-again.C: // each look is a command of its own that tells of no change
		case <-deadline:
			c.Fatalf("in a minute it is not so that %s; the service is\n%s", what, c.kubectl("get", "serveservices,pods,leases", "-o", "wide"))
		}
	}
}

// ask asks the endpoint all the time, until what it gives is called. A client may
// come upon a copy that was killed a moment ago, and asks again then; longer than
// the cluster takes to notice it must never be without an answer.
func (c cluster) ask(url string) (stop func() (repeated int64)) {
	var answered, again atomic.Int64
	var worst atomic.Int64
	reasons := map[string]int{}
	done, ended := make(chan struct{}), make(chan struct{})
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		defer close(ended)
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			default:
			}
			resp, err := client.Get(url)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if err != nil || resp.StatusCode != http.StatusOK {
				again.Add(1)
				why := fmt.Sprint(err)
				if err == nil {
					why = resp.Status + " " + string(body)
				}
				reasons[why]++
				continue
			}
			worst.Store(max(worst.Load(), int64(time.Since(last))))
			last = time.Now()
			answered.Add(1)
		}
	}()
	return func() (repeated int64) {
		c.Helper()
		close(done)
		<-ended
		c.Logf("%d requests were answered, %d had to be made again %v; the longest time without an answer was %v",
			answered.Load(), again.Load(), reasons, time.Duration(worst.Load()).Round(time.Millisecond))
		if answered.Load() == 0 || time.Duration(worst.Load()) > 10*time.Second {
			c.Error("the endpoint was away for too long")
		}
		return again.Load()
	}
}
