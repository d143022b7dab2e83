// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// inCluster is a service whose controller is in a cluster.
func inCluster(controller, more string) string {
	return service("controller = {\n infra = \"kubernetes\"\n " + controller + "\n}\n" + more)
}

// lastDeployed gives what the last deploy was asked for.
func (f *infra) lastDeployed(t *testing.T) serve.DeployOptions {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.deployed) == 0 {
		t.Fatal("nothing was deployed")
	}
	return f.deployed[len(f.deployed)-1]
}

// How the controller is to be run reaches the deployer. To change it is no new
// revision of the service, and it is not deployed again for nothing.
func TestTheControllerIsRunAsAsked(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	for _, row := range []struct {
		controller string
		action     string
		want       serve.DeployOptions
		revision   int64
	}{
		{``, "create", serve.DeployOptions{}, 1},
		{`copies = 3`, "update", serve.DeployOptions{Copies: 3}, 1},
		{`copies = 3
		image = "registry.example.com/controller:1"`, "update", serve.DeployOptions{Copies: 3, Image: "registry.example.com/controller:1"}, 1},
		{`image_repository = "registry.example.com/controller"
		service = { type = "LoadBalancer", annotations = { "example.com/internal" = "true" } }`, "update", serve.DeployOptions{
			ImageRepository: "registry.example.com/controller",
			Endpoint:        serve.EndpointOptions{Type: "LoadBalancer", Annotations: map[string]string{"example.com/internal": "true"}},
		}, 1},
	} {
		before := f.count("apply")
		tf.becomes(t, row.action, inCluster(row.controller, ""))
		if diff := gocmp.Diff(row.want, f.lastDeployed(t)); diff != "" {
			t.Errorf("with %s the deployer was asked for (-want +got):\n%s", row.controller, diff)
		}
		if got := tf.kept(t).Values.Revision; got != row.revision {
			t.Errorf("with %s it is revision %d, want %d", row.controller, got, row.revision)
		}
		if n := f.count("apply") - before; row.action == "update" && n != 0 {
			t.Errorf("with %s the service was applied %d times", row.controller, n)
		}
	}
	// A change of the service is a revision, and goes the same way to its controller.
	tf.becomes(t, "update", inCluster("copies = 1", "replicas = 2"))
	if got := f.lastDeployed(t); got.Copies != 1 || tf.kept(t).Values.Revision != 2 {
		t.Errorf("revision %d was deployed with %+v", tf.kept(t).Values.Revision, got)
	}
}

// A controller elsewhere is another one.
func TestAnotherNamespaceIsAnotherService(t *testing.T) {
	t.Parallel()
	var opened []string
	o := options(newInfra(ready))
	open := o.Deployers
	o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
		opened = append(opened, s.Kubernetes.Namespace+"/"+s.Namespace)
		return open(s)
	}
	config := `provider "serve" {
	  kubernetes = { namespace = "common" }
	}
	`
	tf := newTerraformWith(t, o, "")
	tf.becomes(t, "create", config+inCluster("", ""))
	tf.becomes(t, "replace", config+inCluster(`namespace = "apps"`, ""))
	if !slices.Contains(opened, "common/") || !slices.Contains(opened, "common/apps") {
		t.Errorf("deployers were opened for %q, want one of the provider's namespace and one of the service's own", opened)
	}
}

// A service stays where it was made, whatever the provider's namespace has become.
func TestAServiceStaysInItsNamespace(t *testing.T) {
	t.Parallel()
	places := map[string]*infra{}
	for _, name := range []string{"common", "other"} {
		places[name] = newInfra(ready)
		places[name].namespace = name
	}
	o := options(nil)
	o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
		return map[string]serve.Deployer{kubernetesInfra: places[cmp.Or(s.Namespace, s.Kubernetes.Namespace)]}, nil
	}
	config := func(namespace, more string) string {
		return "provider \"serve\" {\n kubernetes = { namespace = \"" + namespace + "\" }\n}\n" + inCluster("", more)
	}
	count := func(name string) int {
		all, err := places[name].List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	tf := newTerraformWith(t, o, "")
	tf.becomes(t, "create", config("common", ""))
	tf.becomes(t, "noop", config("other", ""))
	tf.becomes(t, "update", config("other", "replicas = 2"))
	if count("common") != 1 || count("other") != 0 {
		t.Errorf("there are %d services where it was made, and %d elsewhere", count("common"), count("other"))
	}
	tf.becomes(t, "delete", "provider \"serve\" {\n kubernetes = { namespace = \"other\" }\n}\n")
	if count("common") != 0 {
		t.Error("it is still there")
	}
}

func TestWhatIsWrongWithAClusterIsSaidWhenTheConfigurationIsValidated(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ config, at, says string }{
		{`client_certificate = "x"`, "client_certificate", "set client_key, too"},
		{`client_key = "x"`, "client_key", "set client_certificate, too"},
		{`token = "x"
		exec = { api_version = "v1", command = "x" }`, "exec", "a token or a program"},
		{`client_certificate = "x"
		client_key = "y"
		exec = { api_version = "v1", command = "x" }`, "exec", "a certificate or a program"},
		{`host = "https://x"
		config_path = "y"`, "config_path", "no file is read"},
		{`host = "https://x"
		config_context = "y"`, "config_context", "no file is read"},
		{`insecure = true
		cluster_ca_certificate = "x"`, "insecure", "any certificate is trusted"},
		{`namespace = "My_Apps"`, "namespace", "is not a name of a namespace"},
	} {
		tf := newTerraform(t, newInfra(ready), "provider \"serve\" {\n kubernetes = {\n"+row.config+"\n}\n}\n"+service(""))
		found := tf.validate(t)
		if len(found) != 1 || !strings.Contains(found[0].Summary, "kubernetes."+row.at) || !strings.Contains(found[0].Detail, row.says) {
			t.Errorf("%s: got %+v, want one error about %s that says %q", row.config, found, row.at, row.says)
		}
	}
}

func wrongControllers() []mistake {
	at := func(arguments string) string { return "controller = {\n" + arguments + "\n}" }
	return []mistake{
		{"a namespace on this machine", at(`namespace = "apps"`), "controller.namespace", `Only a controller with infra "kubernetes" has that`},
		{"an image on this machine", at(`image = "x"`), "controller.image", `Only a controller with infra "kubernetes" has that`},
		{"a repository on this machine", at(`image_repository = "x"`), "controller.image_repository", `Only a controller with infra "kubernetes" has that`},
		{"copies on this machine", at(`copies = 2`), "controller.copies", `Only a controller with infra "kubernetes" has that`},
		{"a Service on this machine", at(`service = {}`), "controller.service", `Only a controller with infra "kubernetes" has that`},
		{"an image on AWS", at("infra = \"aws\"\nimage = \"x\""), "controller.image", `Only a controller with infra "kubernetes" has that`},
		{"an image on Google Cloud", at("infra = \"gcp\"\nimage = \"x\""), "controller.image", `Only a controller with infra "kubernetes" has that`},
		{"copies on Google Cloud", at("infra = \"gcp\"\ncopies = 2"), "controller.copies", `Only a controller with infra "kubernetes" has that`},
		{"an image and a repository", at("infra = \"kubernetes\"\nimage = \"x\"\nimage_repository = \"y\""), "controller.image_repository", "leave one of them out"},
		{"an image without a name", at("infra = \"kubernetes\"\nimage = \"\""), "controller.image", "It is empty"},
		{"a repository without a name", at("infra = \"kubernetes\"\nimage_repository = \" \""), "controller.image_repository", "It is empty"},
		{"a namespace without a name", at("infra = \"kubernetes\"\nnamespace = \"\""), "controller.namespace", "It is empty"},
		{"a namespace that cannot be", at("infra = \"kubernetes\"\nnamespace = \"my_apps\""), "controller.namespace", `"my_apps" is not a name of a namespace`},
		{"no copy", at("infra = \"kubernetes\"\ncopies = 0"), "controller.copies", "There can be 1 to 10 copies, and not 0"},
		{"too many copies", at("infra = \"kubernetes\"\ncopies = 11"), "controller.copies", "There can be 1 to 10 copies, and not 11"},
		{"a Service of no type", at("infra = \"kubernetes\"\nservice = {\n type = \"Ingress\"\n}"), "controller.service.type", `"Ingress" is none of`},
	}
}
