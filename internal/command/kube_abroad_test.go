// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Copies of a controller in a cluster have machines of AWS and Google Cloud, by keys
// that are in a Secret of the service and nowhere else. They are processes here and
// not pods, as pods do not reach the machines, which are on this one.
type copies struct {
	cluster
	aws  *awstest.AWS
	gcp  *gcptest.GCP
	port int
	// shared has what the copies show one another.
	shared string
	hosts  map[string]string // by their names
	kill   map[string]func()
}

func newCopies(t *testing.T) *copies {
	t.Helper()
	c := &copies{cluster: newCluster(t), hosts: map[string]string{}, kill: map[string]func(){}, shared: t.TempDir()}
	c.aws, c.gcp = awstest.New(t, awstest.Options{Machines: true}), gcptest.New(t, gcptest.Options{Machines: true})
	// What is known of the clouds but for the keys.
	for _, v := range append(c.aws.Environ(), c.gcp.Environ()...) {
		name, value, _ := strings.Cut(v, "=")
		if strings.Contains(name, "KEY") || name == "GOOGLE_APPLICATION_CREDENTIALS" {
			value = ""
		}
		t.Setenv(name, value)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", os.DevNull)
	t.Setenv("KUBECONFIG", c.config)
	c.kubectl("create", "namespace", c.namespace)
	c.kubectl("apply", "--server-side", "--force-conflicts", "-f", "../kube/crd.yaml")
	c.kubectl("wait", "--for=condition=Established", "crd/serveservices.serve-infra.io")
	credentials, err := api.NewCredentials("controller")
	mustDo(t, func() error { return err })
	for name, text := range map[string]string{"token": credentials.Token, "tls.crt": credentials.Certificate, "tls.key": credentials.Key} {
		mustDo(t, func() error { return os.WriteFile(filepath.Join(c.shared, name), []byte(text), 0o600) })
	}
	c.kubectl("create", "secret", "generic", "serve-controller", "--from-file="+c.shared)
	c.port = freePort(t)
	return c
}

// freePort is one that nobody has on any address of this machine now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
	mustDo(t, func() error { return err })
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts a copy at an address, with a pod that stands for it.
func (c *copies) start(t *testing.T, name, host string) {
	t.Helper()
	pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"labels":{
		"app.kubernetes.io/managed-by":"terraform-provider-serve","app.kubernetes.io/component":"controller"}},
		"spec":{"schedulerName":"nobody","containers":[{"name":"controller","image":"none"}]}}`, name)
	c.feed(pod, "create", "-f", "-")
	c.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(
		`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"conditions":[{"type":"Ready","status":"True"}]}}`, host, host))
	program, err := binary()
	mustDo(t, func() error { return err })
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	mustDo(t, func() error { return err })
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "kube-controller", "--pod="+name, "--address="+host,
		"--credentials="+c.shared, "--namespace="+c.namespace, "--first-port="+strconv.Itoa(c.port))
	cmd.Stdout, cmd.Stderr = log, log
	mustDo(t, cmd.Start)
	c.hosts[name] = host
	c.kill[name] = func() {
		if c.hosts[name] == "" {
			return
		}
		delete(c.hosts, name)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(func() {
		c.kill[name]()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s says:\n%s", name, text)
		}
	})
}

// feed runs kubectl with something to read.
func (c *copies) feed(text string, args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), "kubectl", append([]string{"--kubeconfig", c.config, "--namespace", c.namespace}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// machines gives what both clouds run, "CLOUD ID".
func (c *copies) machines() []string {
	var all []string
	for _, i := range c.aws.Books().Live() {
		all = append(all, "aws "+i.ID)
	}
	for _, i := range c.gcp.Books().Live() {
		all = append(all, "gcp "+i.Name)
	}
	slices.Sort(all)
	return all
}

// answered asks every copy, and gives what each has said that is not the page.
func (c *copies) answered() (wrong []string) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for name, host := range c.hosts {
		resp, err := client.Get("http://" + net.JoinHostPort(host, strconv.Itoa(c.port)) + "/health")
		if err != nil {
			wrong = append(wrong, name+": "+err.Error())
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "ok\n" {
			wrong = append(wrong, fmt.Sprintf("%s: %s %q %v", name, resp.Status, body, err))
		}
	}
	return wrong
}

// ready reports whether two replicas are ready and there are no other machines.
func (c *copies) ready() bool {
	s := c.status()
	return s.Counts.Ready == 2 && s.Counts.Total == 2 && len(c.machines()) == 2
}

func TestACopyInAClusterHasMachinesOfOtherCloudsInACluster(t *testing.T) {
	c := newCopies(t)
	c.feed(`{"apiVersion":"serve-infra.io/v1","kind":"ServeService","metadata":{"name":"web"},"spec":{}}`, "create", "-f", "-")
	abroad, err := kube.NewAbroad(kube.AbroadOptions{Config: c.kube(), Service: "web"})
	mustDo(t, func() error { return err })
	key, err := json.Marshal(map[string]string{"access_key": awstest.AccessKey, "secret_key": awstest.SecretKey})
	mustDo(t, func() error { return err })
	place, err := gcp.Brief("", gcp.Config{Project: gcptest.Project, Endpoints: c.gcp.Endpoints()})
	mustDo(t, func() error { return err })
	give := func(google []byte) {
		t.Helper()
		uid := c.kubectl("get", "serveservice", "web", "-o", "jsonpath={.metadata.uid}")
		marks, err := abroad.Tell(t.Context(), uid, map[string]string{"gcp": place}, serve.CloudCredentials{"aws": string(key), "gcp": string(google)})
		mustDo(t, func() error { return err })
		c.kubectl("annotate", "--overwrite", "serveservice", "web", "serve-infra.io/shown="+marks.Shown, "serve-infra.io/reached="+marks.Reached)
	}
	give(c.gcp.Credentials())
	c.start(t, "one", "127.0.71.1")
	c.start(t, "two", "127.0.71.2")

	client, err := kube.NewClient(kube.ClientOptions{Config: c.kube(), Service: "web"})
	mustDo(t, func() error { return err })
	spec := serve.NewSpec("web")
	spec.ReplicaPolicy = serve.FixedReplicas(2)
	spec.ReadinessProbe.Path = "/health"
	spec.Resources.Ports, spec.Resources.UseSpot = "8081", new(true)
	spec.Resources.AnyOf = []serve.Resource{{Infra: "aws/us-east-1", CPUs: "2"}, {Infra: "gcp/us-east1", CPUs: "2"}}
	spec.Task.Run = `mkdir -p site && echo ok > site/health && exec python3 -m http.server -d site -b "$HOST" "$PORT"`
	_, err = client.Apply(t.Context(), spec, serve.ApplyOptions{MustBeNew: true})
	mustDo(t, func() error { return err })
	c.until("two machines serve, and both copies pass requests on to them", func() bool { return c.ready() && len(c.answered()) == 0 })
	before := c.machines()

	// A copy that is left alone knows the way by itself, and takes over what there is.
	leader := c.leader()
	c.kill[leader]()
	for range 20 {
		if wrong := c.answered(); len(wrong) > 0 {
			t.Errorf("without a leader requests are answered with %v", wrong)
		}
	}
	c.until("the other copy leads", func() bool { return c.leader() != leader && c.ready() })
	if now := c.machines(); !slices.Equal(now, before) {
		t.Errorf("the death of the leader has made of the machines %v these: %v", before, now)
	}

	// Another key takes the place of the one that is no good any more.
	give(c.gcp.CredentialsOf(c.gcp.AddOwner("serve-next")))
	events := func() (told string) {
		err := client.Events(t.Context(), 0, false, func(e serve.Event) bool {
			told += e.Message + "\n"
			return true
		})
		mustDo(t, func() error { return err })
		return told
	}
	c.until("the history says that another key is used", func() bool {
		return strings.Contains(events(), "The cloud gcp is shown other credentials from now on")
	})
	c.gcp.Disable(gcptest.Account)

	// What a notice says there is heard here, by a leader that was a follower.
	c.start(t, "three", "127.0.71.3")
	cloud, victim, _ := strings.Cut(before[0], " ")
	if cloud == "aws" {
		c.aws.Interrupt(victim, 5*time.Second)
	} else {
		c.gcp.Preempt(victim, 5*time.Second)
	}
	c.until("the machine that was taken is replaced", func() bool {
		return !slices.Contains(c.machines(), before[0]) && c.ready() && len(c.answered()) == 0
	})
	var log, problems bytes.Buffer
	p := &Program{Version: "test", Stdout: &log, Stderr: &problems}
	replica := c.status().Replicas[0].ID
	if code := p.Run([]string{"logs", "web", strconv.FormatInt(replica, 10), "--infra", "kubernetes/" + c.namespace}); code != 0 || !strings.Contains(log.String(), "GET /health") {
		t.Errorf("the log of a replica on a machine is %q, and logs ended with %d: %s", log.String(), code, problems.String())
	}

	// All copies are dead, and the object is gone by force: what is to be ended is known.
	for _, end := range c.kill {
		end()
	}
	c.kubectl("patch", "serveservice", "web", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	c.kubectl("delete", "serveservice", "web")
	p = &Program{Version: "test", Stdout: &log, Stderr: &problems}
	if code := p.Run([]string{"down", "web", "--infra", "kubernetes/" + c.namespace}); code != 0 {
		t.Errorf("down ended with %d: %s", code, problems.String())
	}
	if left := append(c.machines(), append(emulated{c.aws}.left(), c.gcp.Books().Left()...)...); len(left) > 0 {
		t.Errorf("there are left: %v", left)
	}
	if left := c.kubectl("get", "secrets", "-l", "serve-infra.io/service=web", "-o", "name"); left != "" {
		t.Errorf("there are left in the namespace: %s", left)
	}
}
