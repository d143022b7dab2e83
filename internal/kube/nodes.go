// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const labelZone = corev1.LabelTopologyZone

// labelPrice is a label that says what a whole node costs, in US dollars per hour.
const labelPrice = group + "/price-per-hour"

// poolLabels are the labels by which clouds tell their node pools apart.
func poolLabels() []string {
	return []string{"cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool", "kubernetes.azure.com/agentpool"}
}

// acceleratorLabels are the labels that name a node's accelerators.
func acceleratorLabels() []string {
	return []string{
		"skypilot.co/accelerator", "cloud.google.com/gke-accelerator", "cloud.google.com/gke-tpu-accelerator",
		"k8s.amazonaws.com/accelerator", "nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.nvidia.com/class",
	}
}

// acceleratorResources are what device plugins call accelerators. A taint of
// that name keeps away those who ask for none.
func acceleratorResources() []corev1.ResourceName {
	return []corev1.ResourceName{"nvidia.com/gpu", "amd.com/gpu", "google.com/tpu"}
}

// label is one label.
type label struct{ key, value string }

// spotLabels are the labels by which clouds mark machines they may take back.
func (o CloudOptions) spotLabels() []label {
	all := []label{
		{group + "/market", string(serve.Spot)},
		{"cloud.google.com/gke-spot", "true"},
		{"cloud.google.com/gke-preemptible", "true"},
		{"eks.amazonaws.com/capacityType", "SPOT"},
		{"karpenter.sh/capacity-type", "spot"},
		{"kubernetes.azure.com/scalesetpriority", "spot"},
	}
	if key, value, ok := strings.Cut(o.SpotLabel, "="); ok {
		all = append(all, label{key, value})
	}
	return all
}

// spotTolerations tolerate the taints that go with those labels.
func spotTolerations() []corev1.Toleration {
	var all []corev1.Toleration
	for _, key := range []string{"cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible", "kubernetes.azure.com/scalesetpriority"} {
		all = append(all, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	}
	return all
}

// place is the pool a node belongs to, and the labels by which a pod is led
// there and nowhere else.
type place struct {
	zone   string
	market serve.Market
	labels []corev1.NodeSelectorRequirement
}

// placeOf reads the labels of a node. Its zone is the zone, the node pool, or
// "zone.pool" of both.
func (o CloudOptions) placeOf(n *corev1.Node) place {
	var p place
	have := func(key string) string {
		value, ok := n.Labels[key]
		if ok {
			p.labels = append(p.labels, in(key, value))
		} else {
			p.labels = append(p.labels, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpDoesNotExist})
		}
		return value
	}
	p.zone = have(labelZone)
	for _, key := range poolLabels() {
		if pool := have(key); pool != "" {
			p.zone = strings.TrimPrefix(p.zone+"."+pool, ".")
			break
		}
	}
	p.market = serve.OnDemand
	for _, l := range o.spotLabels() {
		if n.Labels[l.key] == l.value {
			p.market = serve.Spot
			p.labels = append(p.labels, in(l.key, l.value))
			break
		}
	}
	if p.market == serve.OnDemand {
		for _, l := range o.spotLabels() {
			p.labels = append(p.labels, corev1.NodeSelectorRequirement{Key: l.key, Operator: corev1.NodeSelectorOpNotIn, Values: []string{l.value}})
		}
	}
	return p
}

func in(key, value string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}
}

// hasLabels reports whether the node has all of the labels.
func hasLabels(n *corev1.Node, labels map[string]string) bool {
	for key, value := range labels {
		if got, ok := n.Labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// passes reports whether a taint is of the kind that comes and goes by itself:
// what Kubernetes says of a node's state, and what announces its end. Such a node
// is full for the time being rather than no node of the pool.
func passes(t corev1.Taint) bool {
	return strings.HasPrefix(t.Key, "node.kubernetes.io/") || strings.HasPrefix(t.Key, "node.cloudprovider.kubernetes.io/") || announces(t)
}

// announces reports whether a taint says that the node will be taken soon,
// though it does not drive pods away.
func announces(t corev1.Taint) bool {
	return slices.Contains([]string{
		"aws-node-termination-handler/spot-itn", "aws-node-termination-handler/asg-lifecycle-termination",
		"cloud.google.com/impending-node-termination", "karpenter.sh/disrupted", "karpenter.sh/disruption",
		"ToBeDeletedByClusterAutoscaler",
	}, t.Key)
}

// keepsAway reports whether a taint keeps new pods off the node.
func keepsAway(t corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// tolerated reports whether one of the tolerations is for the taint.
func tolerated(t corev1.Taint, by []corev1.Toleration) (corev1.Toleration, bool) {
	for _, tol := range by {
		if tol.Effect != "" && tol.Effect != t.Effect || tol.Key != "" && tol.Key != t.Key {
			continue
		}
		if tol.Operator == corev1.TolerationOpExists || tol.Value == t.Value {
			return tol, true
		}
	}
	return corev1.Toleration{}, false
}

// blockers lists what keeps pods off the node: whether it is one of those to be
// used, whether it is cordoned, and its taints.
func (o CloudOptions) blockers(n *corev1.Node) (passing, lasting []string) {
	if n == nil {
		return []string{"absent"}, nil
	}
	if !hasLabels(n, o.Nodes) {
		passing = append(passing, "unselected")
	}
	if n.Spec.Unschedulable {
		passing = append(passing, "cordoned")
	}
	for _, t := range n.Spec.Taints {
		switch {
		case !keepsAway(t):
		case passes(t):
			passing = append(passing, t.Key)
		default:
			lasting = append(lasting, t.Key)
		}
	}
	return passing, lasting
}

// opened reports whether a node that was as before may take pods now which it
// did not then.
func (o CloudOptions) opened(before, now *corev1.Node) bool {
	was, wasLasting := o.blockers(before)
	is, isLasting := o.blockers(now)
	if len(is) > 0 {
		return false
	}
	return len(was) > 0 || slices.ContainsFunc(wasLasting, func(b string) bool { return !slices.Contains(isLasting, b) })
}
