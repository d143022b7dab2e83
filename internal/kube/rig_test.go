// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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
	r.client = clientOf(t, config)
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

// simulate makes a node that is kept ready by kwok. Its pods run nothing.
func (r *rig) simulate(t *testing.T, name string) string {
	t.Helper()
	all := map[string]string{r.mine(): "", "kubernetes.io/os": "linux"}
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
	r.play(t, node.Name)
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

// play is the kubelet of a simulated node: kwok is one too, but takes its time.
// Pods are running at once; one that is to "exit N" has ended with N, and one
// that is to end is gone.
func (r *rig) play(t *testing.T, node string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, err := r.client.CoreV1().Pods(r.namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatalf("watching pods: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			p, is := e.Object.(*corev1.Pod)
			if !is || p.Spec.NodeName != node || e.Type == watch.Deleted {
				continue
			}
			if err := r.playPod(ctx, p); err != nil && ctx.Err() == nil && !errors.Is(meaning(err), serve.ErrNotFound) {
				t.Errorf("playing a pod: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		w.Stop()
		<-done
	})
}

func (r *rig) playPod(ctx context.Context, p *corev1.Pod) error {
	pods := r.client.CoreV1().Pods(r.namespace)
	if p.DeletionTimestamp != nil {
		return pods.Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	}
	state, phase := `"running":{}`, "Running"
	if args := p.Spec.Containers[0].Args; len(args) > 3 && strings.HasPrefix(args[3], "exit ") {
		state, phase = `"terminated":{"exitCode":`+args[3][len("exit "):]+`,"message":"run"}`, "Failed"
	}
	if string(p.Status.Phase) == phase {
		return nil
	}
	patch := fmt.Appendf(nil, `{"status":{"phase":%q,"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"containerStatuses":[{
		"name":%q,"image":"x","imageID":"","ready":false,"restartCount":0,"state":{%s}}]}}`, phase, p.Spec.Containers[0].Name, state)
	_, err := pods.Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// kill deletes a pod as a lost machine is lost: at once, and not by the cloud.
func (r *rig) kill(t *testing.T, ref serve.Ref) {
	t.Helper()
	err := r.client.CoreV1().Pods(r.namespace).Delete(t.Context(), podName(ref), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	if err != nil {
		t.Fatalf("killing %+v: %v", ref, err)
	}
}

func (r *rig) taint(t *testing.T, node string, taint corev1.Taint) {
	t.Helper()
	n, err := r.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	if err == nil {
		n.Spec.Taints = append(n.Spec.Taints, taint)
		_, err = r.client.CoreV1().Nodes().Update(t.Context(), n, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatalf("tainting node %s: %v", node, err)
	}
}

func (r *rig) cordon(t *testing.T, node string, cordoned bool) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%v}}`, cordoned)
	_, err := r.client.CoreV1().Nodes().Patch(t.Context(), node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("cordoning node %s: %v", node, err)
	}
}

func clientOf(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
