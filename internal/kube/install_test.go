// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// typed reads an object as what it is, and finds fields that there are not.
func typed[T any](t *testing.T, all []*unstructured.Unstructured, kind string) T {
	t.Helper()
	var out T
	for _, object := range all {
		if object.GetKind() == kind {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &out, true); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			return out
		}
	}
	t.Fatalf("there is no %s", kind)
	return out
}

func TestWhatIsInstalledIsAsPlanned(t *testing.T) {
	t.Parallel()
	// What people choose is never taken for a part of the text.
	hostile := "registry.example.com/x:1\"\n  injected: {{.Mark}} # '"
	all, err := newPlan("apps", "1.2.3+dirty", Image{Reference: hostile, Architecture: "arm64"}, 3).objects()
	if err != nil {
		t.Fatal(err)
	}
	kinds := installed()
	marks := map[string]bool{}
	for _, object := range all {
		if kind := kindOf(object); !slices.Contains(kinds, kind) {
			t.Errorf("%s is applied, and not removed again", kind)
		}
		if wide := object.GetNamespace() == ""; wide != clusterWide(object.GetKind()) {
			t.Errorf("%s is in the namespace %q", object.GetKind(), object.GetNamespace())
		}
		if labels := object.GetLabels(); labels[labelManager] != manager || labels[labelVersion] != "1.2.3_dirty" {
			t.Errorf("%s has the labels %v", object.GetKind(), labels)
		}
		marks[object.GetAnnotations()[annotationDeployed]] = true
	}
	if len(marks) != 1 || marks[""] {
		t.Errorf("the marks are %v, want one", marks)
	}
	// A Secret and a Lease are made otherwise.
	if len(all) != len(kinds)-2 {
		t.Errorf("%d objects are applied and %d removed", len(all), len(kinds))
	}

	deployment := typed[appsv1.Deployment](t, all, "Deployment")
	pod := deployment.Spec.Template.Spec
	if *deployment.Spec.Replicas != 3 || pod.Containers[0].Image != hostile || pod.NodeSelector["kubernetes.io/arch"] != "arm64" {
		t.Errorf("the Deployment has %d copies of %q on %v", *deployment.Spec.Replicas, pod.Containers[0].Image, pod.NodeSelector)
	}
	if terms := pod.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution; len(terms) != len((CloudOptions{}).spotLabels()) {
		t.Errorf("%d kinds of spot machines are avoided", len(terms))
	}
}

// The controller may do what it needs, and nothing that its namespace's owner
// would not expect of it.
func TestTheControllerHasFewRights(t *testing.T) {
	t.Parallel()
	all, err := newPlan("apps", "1", Image{Reference: "x"}, 1).objects()
	if err != nil {
		t.Fatal(err)
	}
	wide := typed[rbacv1.ClusterRole](t, all, "ClusterRole")
	for _, rule := range wide.Rules {
		if !slices.Equal(rule.Resources, []string{"nodes"}) || !slices.Equal(rule.Verbs, []string{"get", "list", "watch"}) {
			t.Errorf("in the whole cluster it may %v", rule)
		}
	}
	own := typed[rbacv1.Role](t, all, "Role")
	for _, rule := range append(wide.Rules, own.Rules...) {
		for _, words := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
			if slices.Contains(words, "*") || slices.Contains(words, "escalate") || slices.Contains(words, "impersonate") || slices.Contains(words, "bind") {
				t.Errorf("it may %v", rule)
			}
		}
		if slices.ContainsFunc(rule.Resources, func(r string) bool { return strings.HasPrefix(r, "role") || r == "pods/exec" || r == "serviceaccounts" }) {
			t.Errorf("it may %v", rule)
		}
	}
}

// Who destroys the last service of one namespace takes away what somebody else is
// about to deploy with in another one: the definition of our custom resource is
// common to all. It is not parallel, as other tests count on the definition.
func TestDeployingWhileOthersDestroyInACluster(t *testing.T) {
	const rounds = 6
	var busy sync.WaitGroup
	defer busy.Wait()
	for range 2 {
		p := newPlace(t)
		d := NewDeployer(DeployerOptions{
			Config: p.config,
			Credentials: func() (serve.Credentials, error) {
				return serve.Credentials{Token: "t", Certificate: "c", Key: "k"}, nil
			},
		})
		c, err := connect(p.config)
		if err != nil {
			t.Fatal(err)
		}
		busy.Go(func() {
			for round := range rounds {
				ctx, cancel := context.WithTimeout(t.Context(), 2*longEnough)
				_, err := d.furnish(ctx, c, newPlan(c.namespace, "1.0.0", Image{Reference: "x"}, 0), "web", serve.DeployOptions{})
				if err == nil {
					_, err = d.Destroy(ctx, "web")
				}
				cancel()
				if err != nil {
					t.Errorf("round %d in %s: %v", round, c.namespace, err)
					return
				}
			}
		})
	}
}
