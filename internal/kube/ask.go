// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What a pod gets when its resources do not say: SkyPilot's four processors and
// sixteen GiB for each accelerator, and a small machine without any.
const (
	defaultCPUs   = 1
	defaultMemory = 2
	cpusPerAccel  = 4
	memPerAccel   = 16
)

// ask is what a pod asks of a node. Kubernetes has no machine types: a pod gets
// what it asks for, the "at least 4" of an amount as well as the "exactly 4".
type ask struct {
	cpus, memory float64 // memory is in GiB
	accelerator  string
	count        int64
	kubernetes   serve.KubernetesOptions
}

// errNothing means that no cluster can have what is asked for.
var errNothing = errors.New("no cluster has such machines")

// askOf gives what r asks for; errNothing when it is not for Kubernetes.
func askOf(r serve.Resource) (ask, error) {
	cpus, err := serve.ParseAmount(r.CPUs)
	if err != nil {
		return ask{}, fmt.Errorf("cpus: %w: %w", serve.ErrInvalid, err)
	}
	memory, err := serve.ParseMemory(r.Memory)
	if err != nil {
		return ask{}, fmt.Errorf("memory: %w: %w", serve.ErrInvalid, err)
	}
	accelerator, count, err := serve.ParseAccelerators(r.Accelerators)
	if err != nil {
		return ask{}, fmt.Errorf("accelerators: %w: %w", serve.ErrInvalid, err)
	}
	if image := r.ImageID; image != "" && !strings.HasPrefix(image, "docker:") {
		return ask{}, errNothing
	}
	a := ask{cpus: cpus.Value, memory: memory.Value, accelerator: accelerator}
	if r.Kubernetes != nil {
		a.kubernetes = *r.Kubernetes
	}
	if r.InstanceType != "" {
		named, ok := parseInstanceType(r.InstanceType)
		if !ok || !cpus.Fits(named.cpus) || !memory.Fits(named.memory) {
			return ask{}, errNothing
		}
		if accelerator != "" && (!sameAccelerator(accelerator, named.accelerator) || count != float64(named.count)) {
			return ask{}, errNothing
		}
		named.kubernetes = a.kubernetes
		return named, nil
	}
	if count != math.Trunc(count) {
		return ask{}, errNothing // device plugins give whole ones only
	}
	a.count = int64(count)
	return a.completed(), nil
}

// completed fills in what is not asked for.
func (a ask) completed() ask {
	cpus, memory := float64(defaultCPUs), float64(defaultMemory)
	if a.count > 0 {
		cpus, memory = float64(cpusPerAccel*a.count), float64(memPerAccel*a.count)
	}
	if a.memory == 0 {
		a.memory = memory
		if a.cpus > 0 {
			a.memory = a.cpus * memory / cpus
		}
	}
	if a.cpus == 0 {
		a.cpus = cpus
	}
	return a
}

// instanceType names what is asked for as SkyPilot does: "4CPU--16GB--A100:1".
func (a ask) instanceType() string {
	name := number(a.cpus) + "CPU--" + number(a.memory) + "GB"
	if a.count > 0 {
		name += "--" + a.accelerators()
	}
	return name
}

// accelerators is "NAME:count", or empty.
func (a ask) accelerators() string {
	if a.count == 0 {
		return ""
	}
	return a.accelerator + ":" + strconv.FormatInt(a.count, 10)
}

func parseInstanceType(name string) (ask, bool) {
	form := regexp.MustCompile(`^([0-9.]+)CPU--([0-9.]+)GB(?:--([^:]+):([0-9]+))?$`)
	m := form.FindStringSubmatch(name)
	if m == nil {
		return ask{}, false
	}
	a := ask{accelerator: m[3]}
	var errs [3]error
	a.cpus, errs[0] = strconv.ParseFloat(m[1], 64)
	a.memory, errs[1] = strconv.ParseFloat(m[2], 64)
	if m[4] != "" {
		a.count, errs[2] = strconv.ParseInt(m[4], 10, 64)
	}
	ok := errors.Join(errs[:]...) == nil && a.cpus > 0 && a.memory > 0 && (m[4] == "" || a.count > 0)
	return a, ok
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// tolerations are those of a pod that asks for this in the market.
func (a ask) tolerations(m serve.Market) []corev1.Toleration {
	var all []corev1.Toleration
	for _, t := range a.kubernetes.Tolerations {
		all = append(all, corev1.Toleration{
			Key: t.Key, Operator: corev1.TolerationOperator(t.Operator), Value: t.Value, Effect: corev1.TaintEffect(t.Effect),
		})
	}
	if m == serve.Spot {
		all = append(all, spotTolerations()...)
	}
	if a.count > 0 {
		for _, r := range acceleratorResources() {
			all = append(all, corev1.Toleration{Key: string(r), Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	return all
}

// fits reports whether the node, if it were empty, has what is asked for, and is
// one that a pod of the market can be on.
func (a ask) fits(n *corev1.Node, m serve.Market) bool {
	if os := n.Labels[corev1.LabelOSStable]; os != "" && os != "linux" {
		return false
	}
	if !hasLabels(n, a.kubernetes.NodeSelector) {
		return false
	}
	for _, t := range n.Spec.Taints {
		if _, ok := tolerated(t, a.tolerations(m)); keepsAway(t) && !passes(t) && !ok {
			return false
		}
	}
	has := n.Status.Allocatable
	if has.Cpu().AsApproximateFloat64() < a.cpus || has.Memory().AsApproximateFloat64() < a.memory*gib {
		return false
	}
	if a.count == 0 {
		return true
	}
	_, _, named := a.device(n)
	return named
}

const gib = 1 << 30

// device gives what the node's device plugin calls the accelerators asked for,
// and the label that names them; false if the node does not have as many.
func (a ask) device(n *corev1.Node) (corev1.ResourceName, label, bool) {
	for _, r := range acceleratorResources() {
		have := n.Status.Allocatable[r]
		if have.Value() < a.count {
			continue
		}
		for _, key := range acceleratorLabels() {
			if value := n.Labels[key]; value != "" && sameAccelerator(value, a.accelerator) {
				return r, label{key, value}, true
			}
		}
	}
	return "", label{}, false
}

// sameAccelerator compares names as vendors, clouds and users write them:
// "nvidia-tesla-a100", "NVIDIA-A100-SXM4-40GB" and "A100" are one.
func sameAccelerator(a, b string) bool { return plainAccelerator(a) == plainAccelerator(b) }

// plainAccelerator leaves out of a name what does not tell one from another. The
// memory does, but for models that users name without it: an "A100" has 40 GB.
func plainAccelerator(name string) string {
	noise := regexp.MustCompile(`^(nvidia|tesla|geforce|amd|instinct|sxm[0-9]*|pcie|hbm[0-9]*e?)$`)
	var words []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(c rune) bool { return strings.ContainsRune("-_ .", c) }) {
		if !noise.MatchString(word) {
			words = append(words, word)
		}
	}
	if len(words) == 2 && words[1] == usualMemory(words[0]) {
		words = words[:1]
	}
	return strings.Join(words, "")
}

// usualMemory is the memory of a model when its name does not say.
func usualMemory(model string) string {
	return map[string]string{
		"a100": "40gb", "h100": "80gb", "h200": "141gb", "v100": "16gb", "t4": "16gb", "l4": "24gb",
	}[model]
}
