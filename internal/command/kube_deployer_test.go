// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/image"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// cluster is a real cluster with a real node, and a namespace of one's own in it
// that is not there yet.
type cluster struct {
	*testing.T
	config    string
	namespace string
	registry  string
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	c := cluster{T: t, config: os.Getenv("SERVE_TEST_KUBECONFIG"), registry: os.Getenv("SERVE_TEST_REGISTRY")}
	if c.config == "" || os.Getenv("SERVE_TEST_NODE") == "" {
		t.Skip("needs a cluster with a real node: make test-kube starts one")
	}
	name := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	name = strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return '-'
		}
		return r
	}, name)
	c.namespace = "serve-" + strings.Trim(name[:min(len(name), 40)], "-")
	t.Cleanup(func() {
		// Whatever the test has left, and it should not have.
		c.try("delete", "namespace", c.namespace, "--ignore-not-found", "--wait=false")
	})
	return c
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

// deployer gives the deployer of the namespace, with the program that was built.
func (c cluster) deployer() serve.Deployer {
	c.Helper()
	binary := os.Getenv("SERVE_BINARY")
	if binary == "" {
		c.Skip("needs the program in SERVE_BINARY: make test-kube builds it")
	}
	bundled := bundledImage{version: "0.1.0", programs: func() []image.Binary {
		return []image.Binary{{Platform: image.AMD64, Path: binary}}
	}}
	d := kubernetesDeployer(c.kube(), "0.1.0")
	return bundledInto{d, &bundled, c.registry + "/controller"}
}

func TestDeployerInAClusterKeepsItsContract(t *testing.T) {
	t.Parallel()
	clusters := map[serve.Deployer]cluster{}
	_ = clusters
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		return newCluster(t).deployer()
	}, servetest.DeployerHooks{})
}
