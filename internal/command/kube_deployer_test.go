// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/image"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// cluster is a real cluster with a real node, and a namespace of one's own in it
// that is not there yet.
type cluster struct {
	testing.TB
	config    string
	namespace string
	registry  string
}

func newCluster(t testing.TB) cluster {
	t.Helper()
	c := cluster{TB: t, config: os.Getenv("SERVE_TEST_KUBECONFIG"), registry: os.Getenv("SERVE_TEST_REGISTRY")}
	if c.config == "" || os.Getenv("SERVE_TEST_NODE") == "" {
		t.Skip("needs a cluster with a real node: make test-kube starts one")
	}
	c.namespace = "serve-test-" + strings.ToLower(rand.Text()[:8])
	t.Cleanup(c.clear)
	return c
}

// clear removes what a test that failed has left.
func (c cluster) clear() {
	if out, _ := c.try("get", "namespace", c.namespace, "--ignore-not-found"); out == "" {
		return
	}
	// The controller would go on to be one.
	c.try("--namespace", c.namespace, "delete", "deployment", "serve-controller", "--wait=false")
	c.try("--namespace", c.namespace, "delete", "pods", "-l", "app.kubernetes.io/component=controller", "--grace-period=0", "--force")
	names, _ := c.try("--namespace", c.namespace, "get", "serveservices", "-o", "name")
	for name := range strings.FieldsSeq(names) {
		c.try("--namespace", c.namespace, "patch", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	}
	c.try("delete", "namespace", c.namespace, "--wait=false")
	c.try("delete", "clusterrole,clusterrolebinding", "serve-controller."+c.namespace, "--ignore-not-found")
}

// try runs kubectl.
func (c cluster) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", c.config}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// kubectl runs kubectl in the namespace, and must succeed.
func (c cluster) kubectl(args ...string) string {
	c.Helper()
	out, err := c.try(append([]string{"--namespace", c.namespace}, args...)...)
	if err != nil {
		c.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (c cluster) kube() kube.Config { return kube.Config{Path: c.config, Namespace: c.namespace} }

// deployer gives the deployer of the namespace, which runs the program that was
// built, from the cluster's own registry.
func (c cluster) deployer() serve.Deployer {
	c.Helper()
	binary := os.Getenv("SERVE_BINARY")
	if binary == "" {
		c.Skip("needs the program in SERVE_BINARY: make test-kube builds it")
	}
	bundled := bundledImage{version: "0.1.0", programs: func() []image.Binary {
		return []image.Binary{{Platform: image.Platform("linux/" + runtime.GOARCH), Path: binary}}
	}}
	return kube.NewDeployer(kube.DeployerOptions{
		Config:  c.kube(),
		Version: "0.1.0",
		Image: func(ctx context.Context, _ serve.DeployOptions) (kube.Image, error) {
			return bundled.bring(ctx, c.registry+"/controller")
		},
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
	})
}

// A controller is deployed, killed, forgotten and destroyed, as pods of the bundled
// image on the real node, with the rights that it is given and no others.
func TestDeployerInAClusterKeepsItsContract(t *testing.T) {
	var mu sync.Mutex
	clusters := map[serve.Deployer]cluster{}
	of := func(t *testing.T, d serve.Deployer) cluster {
		mu.Lock()
		defer mu.Unlock()
		c := clusters[d]
		c.TB = t
		return c
	}
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		c := newCluster(t)
		d := c.deployer()
		mu.Lock()
		defer mu.Unlock()
		clusters[d] = c
		return d
	}, servetest.DeployerHooks{
		Kill: func(t *testing.T, d serve.Deployer, _ string) {
			c := of(t, d)
			c.kubectl("scale", "deployment", "serve-controller", "--replicas=0")
			c.kubectl("delete", "pods", "-l", "app.kubernetes.io/component=controller", "--grace-period=0", "--force")
		},
		Forget: func(t *testing.T, d serve.Deployer, service string) {
			c := of(t, d)
			c.kubectl("delete", "serveservice", service, "--wait=false")
			// The controller may have let go of it already.
			c.try("--namespace", c.namespace, "patch", "serveservice", service, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		},
		Launch: func(t *testing.T, d serve.Deployer, service string, replica int64) serve.Instance {
			return of(t, d).launch(service, replica)
		},
	})
}

// launch makes a pod of the service's that no controller knows of.
func (c cluster) launch(service string, replica int64) serve.Instance {
	c.Helper()
	cloud := kube.NewCloud(kube.CloudOptions{Config: c.kube()})
	resource := serve.Resource{CPUs: "0.02", Memory: "0.02", ImageID: "docker:" + c.registry + "/web:1"}
	offers, err := cloud.Offers(c.Context(), resource)
	if err != nil || len(offers) == 0 {
		c.Fatalf("Offers = %v, %v", offers, err)
	}
	i, err := cloud.Launch(c.Context(), serve.LaunchRequest{
		Ref: serve.Ref{Service: service, UID: "of-nobody", Replica: replica}, Revision: 1,
		Offer: offers[0], Resource: resource, Port: 8080, Task: serve.Task{Run: "exec sleep 3600"},
	})
	if err != nil {
		c.Fatalf("Launch: %v", err)
	}
	return i
}

// The rights that the controller is given are all that it has: without one of them
// it does not do the thing, and says which right is missing.
func TestAMissingRightIsToldInACluster(t *testing.T) {
	c := newCluster(t)
	d := c.deployer()
	client, err := d.Deploy(t.Context(), "web", serve.DeployOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The first rule is the one about pods.
	c.kubectl("patch", "role", "serve-controller", "--type=json", "-p",
		`[{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "list", "watch", "patch", "delete"]}]`)
	spec := serve.NewSpec("web")
	spec.Run, spec.ReadinessProbe.Path = "exec sleep 3600", "/"
	spec.Resources.Resource = serve.Resource{Ports: "8080", CPUs: "0.02", Memory: "0.02", ImageID: "docker:" + c.registry + "/web:1"}
	if _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	var told string
	c.until("the missing right is told", func() bool {
		s, err := client.Service(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told = s.Message
		for _, r := range s.Replicas {
			told += "\n" + r.Message
		}
		return strings.Contains(told, `cannot create resource "pods"`)
	})
	t.Logf("it says: %s", told)
	if n := len(c.replicas()); n > 0 {
		t.Errorf("there are %d pods all the same", n)
	}
	if _, err := d.Destroy(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}
