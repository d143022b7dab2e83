// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// How long a pod may be in trouble that may pass by itself.
const (
	// autoscalePatience is for a node that is being made.
	autoscalePatience = 10 * time.Minute
	// pullPatience is for an image that cannot be pulled: a registry may be down.
	pullPatience = 2 * time.Minute
	// createPatience is for a container that cannot be made.
	createPatience = 30 * time.Second
)

// errUnschedulable means that no node has room for the pod, for longer than that
// is waited for.
var errUnschedulable = errors.New("unschedulable")

// patience judges a pod that has not started yet, by its state and by how long it
// has been in it. It goes by our clock, which may differ from the cluster's.
type patience struct {
	limit time.Duration
	now   func() time.Time
	// trouble is what the pod is in now, and since when.
	trouble string
	since   time.Time
	wait    time.Duration
	// unschedulable is what the scheduler has to say.
	unschedulable string
}

// until is when the present trouble has lasted too long; zero without any.
func (w *patience) until() time.Time {
	if w.trouble == "" {
		return time.Time{}
	}
	return w.since.Add(w.wait)
}

// judge tells whether the pod is up. An error is the end of the launch.
func (w *patience) judge(p *corev1.Pod) (up bool, err error) {
	if p.DeletionTimestamp != nil {
		return false, fmt.Errorf("its pod is being deleted%s", because(disruption(p)))
	}
	state := container(p)
	if t := state.Terminated; t != nil && (t.Reason == "StartError" || t.Reason == "ContainerCannotRun") {
		return false, fmt.Errorf("%w: its container cannot be started: %s", serve.ErrInvalid, t.Message)
	}
	if why := taken(p); why != "" && !started(p) {
		return false, fmt.Errorf("%w: its node did not take it: %s", serve.ErrCapacity, why)
	}
	if state.Terminated != nil || state.Running != nil && addressed(p) {
		return true, nil
	}
	if why := unscheduled(p); why != "" {
		w.unschedulable = why
		if w.lasting(corev1.PodReasonUnschedulable, w.limit) {
			return false, errUnschedulable
		}
		return false, nil
	}
	if state.Waiting != nil {
		return false, w.waiting(*state.Waiting)
	}
	w.trouble = ""
	return false, nil
}

// unscheduled gives the scheduler's words about a pod it has no node for.
func unscheduled(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return cmp.Or(c.Message, c.Reason)
		}
	}
	return ""
}

// waiting judges a container that has not been made yet.
func (w *patience) waiting(s corev1.ContainerStateWaiting) error {
	var trouble string
	var wait time.Duration
	switch s.Reason {
	case "InvalidImageName", "ErrImageNeverPull":
		trouble = "its image cannot be used"
	case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable":
		trouble, wait = "its image cannot be pulled", pullPatience
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		trouble, wait = "its container cannot be made", createPatience
	default:
		w.trouble = ""
		return nil
	}
	if w.lasting(trouble, wait) {
		return fmt.Errorf("%w: %s: %s", serve.ErrInvalid, trouble, cmp.Or(s.Message, s.Reason))
	}
	return nil
}

// lasting reports whether the trouble has lasted for as long as it may.
func (w *patience) lasting(trouble string, wait time.Duration) bool {
	now := w.now()
	if w.trouble != trouble {
		w.trouble, w.since = trouble, now
	}
	w.wait = wait
	return now.Sub(w.since) >= wait
}
