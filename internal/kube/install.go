// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/template"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

//go:embed install.yaml
var installFile string

// controllerName is the name of everything that the controller consists of.
const controllerName = "serve-controller"

// Ports of the controller's pods, apart from those of endpoints.
const (
	// HealthPort is where a copy tells how it is, by HTTP at /healthz and /readyz.
	HealthPort = 8080
	// CopiesPort is where copies talk to one another.
	CopiesPort = 8443
)

// The keys of the Secret in which copies find what they share.
const (
	keyToken       = "token"
	keyCertificate = "tls.crt"
)

// annotationDeployed is another one after every deployment, so that whoever is
// about to remove something learns of it.
const annotationDeployed = group + "/deployed"

// labelVersion is the version of the program that has made something.
const labelVersion = "app.kubernetes.io/version"

// plan is what a namespace is furnished with.
type plan struct {
	Namespace  string
	Copies     int
	Image      Image
	Version    string
	HealthPort int
	CopiesPort int
	// Spot are the labels of spot machines.
	Spot map[string]string
	// Mark is the value of annotationDeployed.
	Mark string
}

// newPlan gives the plan of a deployment.
func newPlan(namespace, version string, image Image, copies int) plan {
	p := plan{
		Namespace: namespace, Copies: copies, Image: image, Version: version, Mark: rand.Text(),
		HealthPort: HealthPort, CopiesPort: CopiesPort, Spot: map[string]string{},
	}
	for _, l := range (CloudOptions{}).spotLabels() {
		p.Spot[l.key] = l.value
	}
	return p
}

// objects gives what is applied, in the order in which it is needed.
func (p plan) objects() ([]*unstructured.Unstructured, error) {
	var text bytes.Buffer
	form, err := template.New("install.yaml").Option("missingkey=error").Parse(installFile)
	if err == nil {
		err = form.Execute(&text, p)
	}
	if err != nil {
		return nil, fmt.Errorf("writing what the controller consists of: %w", err)
	}
	var all []*unstructured.Unstructured
	documents := yaml.NewYAMLReader(bufio.NewReader(&text))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what the controller consists of: %w", err)
		}
		object := &unstructured.Unstructured{}
		data, err := yaml.ToJSON(document)
		if err == nil {
			err = object.UnmarshalJSON(data)
		}
		if err != nil {
			return nil, fmt.Errorf("reading what the controller consists of: %w", err)
		}
		p.finish(object)
		all = append(all, object)
	}
}

// finish gives an object what all of them have.
func (p plan) finish(object *unstructured.Unstructured) {
	if !clusterWide(object.GetKind()) {
		object.SetNamespace(p.Namespace)
	}
	mark(object, p.Version, p.Mark)
}

// mark labels an object as ours, of a version, and as deployed just now.
func mark(object *unstructured.Unstructured, version, mark string) {
	labels := map[string]string{labelManager: manager, labelComponent: componentController}
	if version != "" {
		labels[labelVersion] = strings.ReplaceAll(version, "+", "_") // which a label may not have
	}
	maps.Copy(labels, object.GetLabels())
	object.SetLabels(labels)
	annotations := map[string]string{annotationDeployed: mark}
	maps.Copy(annotations, object.GetAnnotations())
	object.SetAnnotations(annotations)
}

// clusterWide reports whether objects of a kind belong to no namespace.
func clusterWide(kind string) bool {
	return kind == "ClusterRole" || kind == "ClusterRoleBinding"
}

// installed lists the kinds that are applied, in the order in which they are
// removed: what runs first, and what it needs to end well after that.
func installed() []schema.GroupVersionResource {
	const rbac, v1 = "rbac.authorization.k8s.io", "v1"
	return []schema.GroupVersionResource{
		{Group: "apps", Version: v1, Resource: "deployments"},
		{Group: "policy", Version: v1, Resource: "poddisruptionbudgets"},
		{Group: "coordination.k8s.io", Version: v1, Resource: "leases"},
		{Version: v1, Resource: "secrets"},
		{Group: rbac, Version: v1, Resource: "rolebindings"},
		{Group: rbac, Version: v1, Resource: "roles"},
		{Group: rbac, Version: v1, Resource: "clusterrolebindings"},
		{Group: rbac, Version: v1, Resource: "clusterroles"},
		{Version: v1, Resource: "serviceaccounts"},
	}
}

// kindOf gives the resource of an object.
func kindOf(object *unstructured.Unstructured) schema.GroupVersionResource {
	kind := object.GroupVersionKind()
	plural := map[string]string{
		"ServiceAccount": "serviceaccounts", "Role": "roles", "RoleBinding": "rolebindings",
		"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
		"PodDisruptionBudget": "poddisruptionbudgets", "Deployment": "deployments",
	}
	return kind.GroupVersion().WithResource(plural[kind.Kind])
}

// part gives access to one of the kinds of which the controller consists, and the
// name of the one that is ours.
func (c *clients) part(kind schema.GroupVersionResource) (dynamic.ResourceInterface, string) {
	if kind.Resource == "clusterroles" || kind.Resource == "clusterrolebindings" {
		return c.dynamic.Resource(kind), controllerName + "." + c.namespace
	}
	return c.dynamic.Resource(kind).Namespace(c.namespace), controllerName
}

// install applies what the controller consists of.
func (d *Deployer) install(ctx context.Context, c *clients, p plan) error {
	objects, err := p.objects()
	if err != nil {
		return err
	}
	if err := d.share(ctx, c, p); err != nil {
		return err
	}
	for _, object := range objects {
		into, name := c.part(kindOf(object))
		if _, err := into.Apply(ctx, name, object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
			return fmt.Errorf("applying %s %q: %w", object.GetKind(), name, meaning(err))
		}
	}
	return nil
}

// share makes what the copies share, once: those that run already have it.
func (d *Deployer) share(ctx context.Context, c *clients, p plan) error {
	secrets := c.typed.CoreV1().Secrets(c.namespace)
	_, err := secrets.Get(ctx, controllerName, metav1.GetOptions{})
	if err == nil || !apierrors.IsNotFound(err) {
		return meaning(err)
	}
	credentials, err := d.o.Credentials()
	if err != nil {
		return fmt.Errorf("making credentials: %w", err)
	}
	object := &unstructured.Unstructured{}
	object.SetUnstructuredContent(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{"name": controllerName},
		"stringData": map[string]any{
			keyToken: credentials.Token, keyCertificate: credentials.Certificate, keyTLS: credentials.Key,
		},
	})
	p.finish(object)
	_, err = c.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(c.namespace).
		Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("storing what the copies of the controller share: %w", meaning(err))
	}
	return nil
}

// copiesOf checks a number of copies, and gives the usual one for 0.
func copiesOf(n int) (int, error) {
	switch {
	case n == 0:
		return usualCopies, nil
	case n < 0:
		return 0, fmt.Errorf("%d copies of the controller cannot be: %w", n, serve.ErrInvalid)
	}
	return n, nil
}

// usualCopies is how many copies there are if nobody says how many.
const usualCopies = 2
