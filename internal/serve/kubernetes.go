// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"maps"
	"slices"
)

// KubernetesOptions narrows down on which nodes of a cluster a replica may be.
type KubernetesOptions struct {
	// NodeSelector lists labels that a node must have.
	NodeSelector map[string]string `json:"node_selector,omitempty"`
	// Tolerations lists the taints of nodes that do not matter.
	Tolerations []Toleration `json:"tolerations,omitempty"`
}

// Toleration lets a replica be on nodes with a certain taint. Empty fields are
// as Kubernetes has them: no Key is any, no Operator is "Equal", and no Effect
// is every effect.
type Toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
}

// Operators and effects of tolerations.
const (
	tolerateEqual  = "Equal"
	tolerateExists = "Exists"
)

// TolerationOperators lists how a toleration may be compared with a taint.
func TolerationOperators() []string { return []string{tolerateEqual, tolerateExists} }

// TaintEffects lists what a taint does to pods that do not tolerate it.
func TaintEffects() []string { return []string{"NoSchedule", "PreferNoSchedule", "NoExecute"} }

// validate checks what a cluster would refuse whatever nodes it has.
func (k *KubernetesOptions) validate(es *FieldErrors, at string) {
	if k == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(k.NodeSelector)) {
		if problem := labelProblem("kubernetes", key, k.NodeSelector[key]); problem != "" {
			es.add(element(at+".node_selector", key), nil, "%s", problem)
		}
	}
	for i, t := range k.Tolerations {
		t.validate(es, item(at+".tolerations", i))
	}
}

func (t Toleration) validate(es *FieldErrors, at string) {
	if t.Operator != "" && !slices.Contains(TolerationOperators(), t.Operator) {
		es.oneOf(at+".operator", t.Operator, TolerationOperators())
	}
	if t.Effect != "" && !slices.Contains(TaintEffects(), t.Effect) {
		es.oneOf(at+".effect", t.Effect, TaintEffects())
	}
	if t.Key == "" && t.Operator != tolerateExists {
		es.add(at+".key", []string{at + ".operator"}, "A toleration without a key is one of every taint, and needs operator \"Exists\".")
	} else if problem := labelProblem("kubernetes", t.Key, t.Value); t.Key != "" && problem != "" {
		es.add(at+".key", []string{at + ".value"}, "%s", problem)
	}
	if t.Operator == tolerateExists && t.Value != "" {
		es.add(at+".value", []string{at + ".operator"}, "With operator \"Exists\" any value will do; leave the value out.")
	}
}
