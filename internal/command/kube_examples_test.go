// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The examples about Kubernetes are applied as they stand, to the real cluster.
func TestAccExamplesInACluster(t *testing.T) {
	for _, example := range []struct {
		dir, answer string
		vars        []string
	}{
		{dir: "kubernetes", answer: "Hello!"},
		{dir: "kubernetes_controller", answer: "Directory listing", vars: []string{"endpoint_type=NodePort"}},
	} {
		t.Run(example.dir, func(t *testing.T) {
			c := newCluster(t)
			t.Setenv("KUBECONFIG", c.config)
			w := newWorkspace(t)
			examples := t.TempDir()
			for _, dir := range []string{example.dir, "http_server"} {
				mustDo(t, func() error {
					return os.CopyFS(filepath.Join(examples, dir), os.DirFS(filepath.Join("../../examples", dir)))
				})
			}
			w.dir = filepath.Join(examples, example.dir)
			c.namespace = "default"
			vars := []string{"-var=image=" + c.registry + "/python:1"}
			if example.vars != nil {
				c.namespace = "serve"
				example.vars = append(example.vars, "image_repository="+c.registry+"/controller")
			}
			for _, v := range example.vars {
				vars = append(vars, "-var="+v)
			}
			before := c.objects()
			w.must(0, append([]string{"apply", "-auto-approve"}, vars...)...)
			endpoint := strings.TrimSpace(w.must(0, "output", "-raw", "endpoint"))
			resp, err := http.Get(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), example.answer) {
				t.Errorf("%s answers %q, %v; want %q", endpoint, body, err, example.answer)
			}
			if n := len(c.replicas()); n == 0 {
				t.Error("no replica is a pod")
			}
			w.must(0, append([]string{"plan", "-detailed-exitcode"}, vars...)...)
			w.must(0, append([]string{"destroy", "-auto-approve"}, vars...)...)
			if left := c.objects(); left != before {
				t.Errorf("destroy leaves objects behind; before there were\n%s\nand now\n%s", before, left)
			}
		})
	}
}

// objects lists everything in the cluster that a service may bring, wherever it is.
func (c cluster) objects() string {
	c.Helper()
	out, err := c.try("get", "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,"+
		"deployments,replicasets,pods,services,secrets,serviceaccounts,roles,rolebindings,leases,poddisruptionbudgets,configmaps",
		"--all-namespaces", "-l", "app.kubernetes.io/managed-by=terraform-provider-serve", "-o", "name")
	if err != nil {
		c.Fatalf("listing objects: %v\n%s", err, out)
	}
	namespaces, err := c.try("get", "namespaces", "-o", "name")
	if err != nil {
		c.Fatalf("listing namespaces: %v\n%s", err, namespaces)
	}
	return out + "\n" + namespaces
}
