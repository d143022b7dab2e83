// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// node is a node of 8 processors and 32 GiB; words are labels "key=value",
// taints "key:Effect", and what it has more of "resource*count".
func node(name string, words ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	n.Status.Allocatable = corev1.ResourceList{"cpu": quantity.MustParse("8"), "memory": quantity.MustParse("32Gi")}
	for _, w := range words {
		if key, effect, ok := strings.Cut(w, ":"); ok {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffect(effect)})
		} else if key, count, ok := strings.Cut(w, "*"); ok {
			n.Status.Allocatable[corev1.ResourceName(key)] = quantity.MustParse(count)
		} else if key, value, ok := strings.Cut(w, "="); ok {
			n.Labels[key] = value
		} else {
			n.Spec.Unschedulable = w == "cordoned"
		}
	}
	return n
}

const zoneA, zoneB = "topology.kubernetes.io/zone=a", "topology.kubernetes.io/zone=b"

func TestNodesOffer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		nodes []*corev1.Node
		ask   serve.Resource
		want  []string
	}{
		{"a small machine when nothing is asked", []*corev1.Node{node("n")}, serve.Resource{}, []string{"on_demand  1CPU--2GB 0"}},
		{"each zone and market once, spot first", []*corev1.Node{
			node("1", zoneB), node("2", zoneB), node("3", zoneA), node("4", zoneB, "cloud.google.com/gke-spot=true"),
		}, serve.Resource{CPUs: "4", Memory: "16+"}, []string{"spot b 4CPU--16GB 0", "on_demand a 4CPU--16GB 0", "on_demand b 4CPU--16GB 0"}},
		{"spot by the label of every cloud", []*corev1.Node{
			node("1", zoneA, "eks.amazonaws.com/capacityType=SPOT"), node("2", zoneB, "karpenter.sh/capacity-type=spot"),
			node("3", "kubernetes.azure.com/scalesetpriority=spot", "kubernetes.azure.com/scalesetpriority:NoSchedule"),
		}, serve.Resource{CPUs: "1"}, []string{"spot  1CPU--2GB 0", "spot a 1CPU--2GB 0", "spot b 1CPU--2GB 0"}},
		{"a node pool as a part of the zone", []*corev1.Node{
			node("1", zoneA, "cloud.google.com/gke-nodepool=big"), node("2", "eks.amazonaws.com/nodegroup=g"),
		}, serve.Resource{}, []string{"on_demand a.big 1CPU--2GB 0", "on_demand g 1CPU--2GB 0"}},
		{"a share of the price of the node, cheapest first", []*corev1.Node{
			node("1", zoneA, labelPrice+"=0.8"), node("2", zoneB, labelPrice+"=0.4"), node("3", zoneB, labelPrice+"=0.6"),
		}, serve.Resource{CPUs: "2"}, []string{"on_demand b 2CPU--4GB 0.1", "on_demand a 2CPU--4GB 0.2"}},
		{"nothing that is too small", []*corev1.Node{node("1")}, serve.Resource{CPUs: "9+"}, nil},
		{"nothing behind a taint", []*corev1.Node{node("1", "dedicated:NoSchedule"), node("2", "dedicated:NoExecute")}, serve.Resource{}, nil},
		{"what is behind a tolerated taint", []*corev1.Node{node("1", "dedicated:NoSchedule")}, serve.Resource{
			Kubernetes: &serve.KubernetesOptions{Tolerations: []serve.Toleration{{Key: "dedicated", Operator: "Exists"}}},
		}, []string{"on_demand  1CPU--2GB 0"}},
		{"nodes with the label that is asked for", []*corev1.Node{node("1", zoneA, "disk=fast"), node("2", zoneB)}, serve.Resource{
			Kubernetes: &serve.KubernetesOptions{NodeSelector: map[string]string{"disk": "fast"}},
		}, []string{"on_demand a 1CPU--2GB 0"}},
		{"what is full for the time being", []*corev1.Node{node("1", zoneA, "cordoned"), node("2", zoneB, "node.kubernetes.io/not-ready:NoExecute")},
			serve.Resource{}, []string{"on_demand a 1CPU--2GB 0", "on_demand b 1CPU--2GB 0"}},
		{"no Windows", []*corev1.Node{node("1", "kubernetes.io/os=windows")}, serve.Resource{}, nil},
		{"accelerators by any name, behind their taint", []*corev1.Node{
			node("1", zoneA, "nvidia.com/gpu*8", "cloud.google.com/gke-accelerator=nvidia-tesla-a100", "nvidia.com/gpu:NoSchedule"),
			node("2", zoneB, "nvidia.com/gpu*8", "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB"),
			node("3", "nvidia.com/gpu*8"),
		}, serve.Resource{Accelerators: "a100:1"}, []string{"on_demand a 4CPU--16GB--a100:1 0"}},
		{"no more accelerators than a node has", []*corev1.Node{node("1", "nvidia.com/gpu*2", "skypilot.co/accelerator=l4")},
			serve.Resource{Accelerators: "L4:4", CPUs: "1"}, nil},
		{"no part of an accelerator", []*corev1.Node{node("1", "nvidia.com/gpu*2", "skypilot.co/accelerator=l4")},
			serve.Resource{Accelerators: "L4:0.5"}, nil},
		{"a node with accelerators last, to those who ask for none", []*corev1.Node{node("1", zoneA, "nvidia.com/gpu*2"), node("2", zoneB)},
			serve.Resource{}, []string{"on_demand b 1CPU--2GB 0", "on_demand a 1CPU--2GB 0"}},
		{"a machine by its name", []*corev1.Node{node("1")}, serve.Resource{InstanceType: "4CPU--16GB"}, []string{"on_demand  4CPU--16GB 0"}},
		{"nothing for another cloud's machine", []*corev1.Node{node("1")}, serve.Resource{InstanceType: "m5.large"}, nil},
		{"nothing for a name that says otherwise", []*corev1.Node{node("1")}, serve.Resource{InstanceType: "4CPU--16GB", CPUs: "2"}, nil},
		{"nothing for another cloud's image", []*corev1.Node{node("1")}, serve.Resource{ImageID: "ami-1"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			if a, err := askOf(row.ask); err == nil {
				for _, o := range (CloudOptions{}).offersOf(a, "test", row.nodes) {
					got = append(got, fmt.Sprintf("%s %s %s %g", o.Market, o.Location.Zone, o.InstanceType, o.Price))
				}
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("offers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAcceleratorsHaveManyNames(t *testing.T) {
	t.Parallel()
	for user, others := range map[string][]string{
		"A100":      {"nvidia-tesla-a100", "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB", "a100"},
		"A100-80GB": {"nvidia-a100-80gb", "NVIDIA-A100-SXM4-80GB"},
		"H100":      {"nvidia-h100-80gb", "NVIDIA-H100-80GB-HBM3"},
		"T4":        {"nvidia-tesla-t4", "Tesla-T4"},
		"RTX4090":   {"NVIDIA-GeForce-RTX-4090", "rtx-4090"},
		"L40S":      {"NVIDIA-L40S"},
	} {
		for _, other := range others {
			if !sameAccelerator(user, other) {
				t.Errorf("%s is not %s: %s, %s", user, other, plainAccelerator(user), plainAccelerator(other))
			}
		}
	}
	if sameAccelerator("A100", "A100-80GB") || sameAccelerator("L4", "L40S") {
		t.Error("different models are taken for one")
	}
}

func TestANodeOpens(t *testing.T) {
	t.Parallel()
	o := CloudOptions{Nodes: map[string]string{"mine": ""}}
	for _, row := range []struct {
		name        string
		before, now *corev1.Node
		want        bool
	}{
		{"when it is new", nil, node("n", "mine="), true},
		{"not when it is new and not ready", nil, node("n", "mine=", "node.kubernetes.io/not-ready:NoSchedule"), false},
		{"when it gets ready", node("n", "mine=", "node.kubernetes.io/not-ready:NoSchedule"), node("n", "mine="), true},
		{"when it is uncordoned", node("n", "mine=", "cordoned"), node("n", "mine="), true},
		{"not when it is somebody else's", node("n", "cordoned"), node("n"), false},
		{"when it becomes one of ours", node("n"), node("n", "mine="), true},
		{"when a taint is lifted", node("n", "mine=", "a:NoSchedule", "b:NoSchedule"), node("n", "mine=", "a:NoSchedule"), true},
		{"not when nothing changes", node("n", "mine="), node("n", "mine="), false},
		{"not when it gets a taint", node("n", "mine="), node("n", "mine=", "a:NoSchedule"), false},
	} {
		if got := o.opened(row.before, row.now); got != row.want {
			t.Errorf("a node opens %s: %v, want %v", row.name, got, row.want)
		}
	}
}
