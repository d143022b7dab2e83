// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// longEnough is how long a test waits for what the API server is to do.
const longEnough = 30 * time.Second

// ground is a namespace of its own in a real cluster that knows our custom
// resource.
type ground struct {
	*testing.T
	config  Config
	objects dynamic.ResourceInterface
	typed   kubernetes.Interface
}

// newPlace makes a namespace for the test, which is passed over without a cluster.
func newPlace(t *testing.T) ground {
	t.Helper()
	path := os.Getenv("SERVE_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("SERVE_TEST_KUBECONFIG names no cluster")
	}
	config := Config{Path: path}
	c, err := connect(config)
	if err != nil {
		t.Fatal(err)
	}
	define(t, c.dynamic)
	namespace, err := c.typed.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "serve-test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config.Namespace = namespace.Name
	p := ground{T: t, config: config, objects: c.dynamic.Resource(services()).Namespace(namespace.Name), typed: c.typed}
	t.Cleanup(p.clear)
	return p
}

// define makes sure that the cluster knows our custom resource.
func define(t *testing.T, client dynamic.Interface) {
	t.Helper()
	definition, err := crd()
	if err != nil {
		t.Fatal(err)
	}
	ri := client.Resource(definitions())
	if _, err = ri.Apply(t.Context(), crdName, definition, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		t.Fatalf("applying the definition: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	err = follow(ctx, ri, nameIs(crdName), func(all map[string]*unstructured.Unstructured) bool {
		return all[crdName] == nil || !established(all[crdName])
	})
	if err != nil {
		t.Fatalf("waiting for the definition: %v", err)
	}
}

// clear removes the namespace, and what would keep it.
func (p ground) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	list, err := p.objects.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		list = &unstructured.UnstructuredList{} // the definition is gone, and all with it
	} else if err != nil {
		p.Errorf("clearing up: %v", err)
		return
	}
	for _, object := range list.Items {
		_, err := p.objects.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err != nil {
			p.Logf("clearing up: %v", err)
		}
	}
	if err := p.typed.CoreV1().Namespaces().Delete(ctx, p.config.Namespace, metav1.DeleteOptions{}); err != nil {
		p.Errorf("clearing up: %v", err)
	}
}

// waiting gives a context for what must not take long.
func (p ground) waiting() context.Context {
	ctx, cancel := context.WithTimeout(p.Context(), longEnough)
	p.Cleanup(cancel)
	return ctx
}
