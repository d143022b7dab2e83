// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// rig is a namespace of a real cluster with its own view of the cluster's nodes:
// the real node, which is a spot node to it, and a simulated one that is not.
// Other rigs see the same real node through labels of their own, so that what one
// does to its nodes does not show in another.
type rig struct {
	client    kubernetes.Interface
	config    Config
	namespace string
	node      string // the real one
	image     string
}

// newRig makes the namespace. Without a cluster the test is skipped.
func newRig(t *testing.T) *rig {
	t.Helper()
	path := os.Getenv("SERVE_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("needs a cluster: set SERVE_TEST_KUBECONFIG, SERVE_TEST_NODE and SERVE_TEST_REGISTRY, as make kube-up says")
	}
	r := &rig{config: Config{Path: path}, node: os.Getenv("SERVE_TEST_NODE"), image: "docker:" + os.Getenv("SERVE_TEST_REGISTRY") + "/web:1"}
	config, _, err := r.config.rest()
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	r.client = kubernetes.NewForConfigOrDie(config)
	ns, err := r.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "serve-test-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	r.namespace = ns.Name
	after(t, func(ctx context.Context) error {
		return r.client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{})
	})
	r.label(t, r.node, map[string]any{r.mine(): "", r.market(): "spot"})
	after(t, func(ctx context.Context) error {
		return r.patchNode(ctx, r.node, map[string]any{r.mine(): nil, r.market(): nil})
	})
	return r
}

// mine and market are the labels by which this rig sees nodes.
func (r *rig) mine() string   { return "nodes.test/" + r.namespace }
func (r *rig) market() string { return "market.test/" + r.namespace }

// after does something when the test is over.
func after(t *testing.T, do func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := do(ctx); err != nil && !errors.Is(meaning(err), serve.ErrNotFound) {
			t.Errorf("clearing away: %v", err)
		}
	})
}

// cloud is a cloud of the rig's nodes.
func (r *rig) cloud(t *testing.T, change ...func(*CloudOptions)) *Cloud {
	t.Helper()
	o := CloudOptions{
		Config: r.config, Namespace: r.namespace, Nodes: map[string]string{r.mine(): ""}, SpotLabel: r.market() + "=spot",
		ProvisionTimeout: 2 * time.Second,
	}
	for _, c := range change {
		c(&o)
	}
	return NewCloud(o)
}

// resource is small enough for many of it to be on one node.
func (r *rig) resource() serve.Resource {
	return serve.Resource{CPUs: "0.02", Memory: "0.02", ImageID: r.image}
}

func (r *rig) label(t *testing.T, node string, labels map[string]any) {
	t.Helper()
	if err := r.patchNode(t.Context(), node, labels); err != nil {
		t.Fatalf("labelling node %s: %v", node, err)
	}
}

func (r *rig) patchNode(ctx context.Context, node string, labels map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err == nil {
		_, err = r.client.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	}
	return err
}

// simulate makes a node that kwok plays. Its pods are running at once and run
// nothing.
func (r *rig) simulate(t *testing.T, name string, labels map[string]string) string {
	t.Helper()
	all := map[string]string{r.mine(): "", "kubernetes.io/os": "linux"}
	maps.Copy(all, labels)
	has := corev1.ResourceList{
		"cpu": quantity.MustParse("32"), "memory": quantity.MustParse("128Gi"), "pods": quantity.MustParse("110"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.namespace + "-" + name, Labels: all, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		},
		// Others' pods stay away: the taint is one that the pods of this rig tolerate.
		Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "simulated.test", Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Allocatable: has, Capacity: has, Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}}},
	}
	if _, err := r.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatalf("making a node: %v", err)
	}
	after(t, func(ctx context.Context) error {
		return r.client.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{})
	})
	r.awaitNode(t, node.Name, func(n *corev1.Node) bool {
		passing, _ := CloudOptions{}.blockers(n)
		return len(passing) == 0
	})
	return node.Name
}

// awaitNode watches a node until it is as it should be.
func (r *rig) awaitNode(t *testing.T, name string, ok func(*corev1.Node) bool) {
	t.Helper()
	w, err := r.client.CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: "0"})
	if err != nil {
		t.Fatalf("watching nodes: %v", err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if n, is := e.Object.(*corev1.Node); is && ok(n) {
			return
		}
	}
	t.Fatalf("node %s did not come to be as it should", name)
}

// tolerant is the rig's resource for simulated nodes.
func (r *rig) tolerant() serve.Resource {
	resource := r.resource()
	resource.Kubernetes = &serve.KubernetesOptions{Tolerations: []serve.Toleration{{Key: "simulated.test", Operator: "Exists"}}}
	return resource
}

// playExits ends the pods of a simulated node that are to "exit N" with N, as a
// real one would.
func (r *rig) playExits(t *testing.T, node string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := r.client.CoreV1().Pods(r.namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatalf("watching pods: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			p, is := e.Object.(*corev1.Pod)
			if !is || p.Spec.NodeName != node || p.Status.Phase == corev1.PodFailed || len(p.Spec.Containers[0].Args) < 4 {
				continue
			}
			digits, exits := strings.CutPrefix(p.Spec.Containers[0].Args[3], "exit ")
			code, err := strconv.Atoi(digits)
			if !exits || err != nil {
				continue
			}
			patch := fmt.Sprintf(`{"status":{"phase":"Failed","containerStatuses":[{"name":"server","image":"x","imageID":"",
				"ready":false,"restartCount":0,"state":{"terminated":{"exitCode":%d,"message":"run"}}}]}}`, code)
			_, err = r.client.CoreV1().Pods(r.namespace).Patch(ctx, p.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
			if err != nil && ctx.Err() == nil {
				t.Errorf("playing the end of a program: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		w.Stop()
		<-done
	})
}

// kill deletes a pod as a lost machine is lost: at once, and not by the cloud.
func (r *rig) kill(t *testing.T, ref serve.Ref) {
	t.Helper()
	err := r.client.CoreV1().Pods(r.namespace).Delete(t.Context(), podName(ref), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	if err != nil {
		t.Fatalf("killing %+v: %v", ref, err)
	}
}
