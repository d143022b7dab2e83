// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// startPatience is for how long a copy may be unable to start, for a reason
	// that seldom passes by itself.
	startPatience = time.Minute
	// lastWords is how many lines of the log of a copy that has failed are shown.
	lastWords = 20
)

// rollOut waits until all copies are of the newest form, and one of them takes
// requests.
func (d *Deployer) rollOut(ctx context.Context, c *clients) error {
	r := rollout{changed: make(chan struct{}, 1), troubles: map[string]trouble{}}
	ctx, cancel := context.WithCancelCause(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel(nil)
	following.Go(func() {
		items := func(l *appsv1.DeploymentList) []*appsv1.Deployment { return pointers(l.Items) }
		cancel(followAll(ctx, c.typed.AppsV1().Deployments(c.namespace), nameIs(controllerName), items, func(all map[string]*appsv1.Deployment) bool {
			r.see(func() { r.deployment = all[controllerName] })
			return true
		}))
	})
	following.Go(func() {
		items := func(l *corev1.PodList) []*corev1.Pod { return pointers(l.Items) }
		cancel(followAll(ctx, c.typed.CoreV1().Pods(c.namespace), metav1.ListOptions{LabelSelector: ofController()}, items, func(all map[string]*corev1.Pod) bool {
			r.see(func() { r.look(all) })
			return true
		}))
	})
	for {
		pause := time.NewTimer(time.Second)
		select {
		case <-r.changed:
		case <-pause.C: // a trouble may have lasted too long
		case <-ctx.Done():
			pause.Stop()
			return r.unfinished(context.Cause(ctx))
		}
		pause.Stop()
		done, pod, err := r.judge()
		if done {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the pod %q of the controller does not start: %w%s", pod, err, c.lastWordsOf(ctx, pod))
		}
	}
}

// rollout is what is seen of one.
type rollout struct {
	mu         sync.Mutex
	changed    chan struct{}
	deployment *appsv1.Deployment
	// troubles keep pods from starting, by name, and pending says the same of those
	// that merely are not there yet.
	troubles map[string]trouble
	pending  string
}

// trouble is what keeps a pod from starting, and since when.
type trouble struct {
	what  string
	since time.Time
}

func (r *rollout) see(take func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	take()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// look takes in the pods. A trouble goes on while there is any: what it is called
// alternates.
func (r *rollout) look(pods map[string]*corev1.Pod) {
	before := r.troubles
	r.troubles, r.pending = map[string]trouble{}, ""
	for name, pod := range pods {
		if pod.DeletionTimestamp != nil {
			continue
		}
		if why := unscheduled(pod); why != "" {
			r.pending = fmt.Sprintf("the pod %q has no node: %s", name, why)
		}
		if what := stuck(pod); what != "" {
			since := before[name].since
			if since.IsZero() {
				since = time.Now()
			}
			r.troubles[name] = trouble{what, since}
			r.pending = fmt.Sprintf("the pod %q: %s", name, what)
		}
	}
}

// stuck says why a pod's container does not start, if that seldom passes by itself.
func stuck(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		w := s.State.Waiting
		if w == nil {
			continue
		}
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CrashLoopBackOff",
			"CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return cmp.Or(w.Message, w.Reason)
		}
	}
	return ""
}

// judge reports whether the rollout is complete, or which pod keeps it from being
// so for too long.
func (r *rollout) judge() (done bool, pod string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dep := r.deployment; dep != nil && dep.Spec.Replicas != nil {
		s := dep.Status
		if s.ObservedGeneration >= dep.Generation && s.UpdatedReplicas == *dep.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas > 0 {
			return true, "", nil
		}
	}
	for name, t := range r.troubles {
		if time.Since(t.since) >= startPatience {
			return false, name, fmt.Errorf("%s: %w", t.what, serve.ErrInvalid)
		}
	}
	return false, "", nil
}

// unfinished says how far the rollout had come when it was waited for no longer.
func (r *rollout) unfinished(cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("watching the controller start: %w", cause)
	}
	return fmt.Errorf("it is not ready%s: %w", because(r.pending), cause)
}

// lastWordsOf gives the end of a copy's log, of the run before if it has been
// started again; empty if there is none.
func (c *clients) lastWordsOf(ctx context.Context, pod string) string {
	for _, previous := range []bool{true, false} {
		log, err := c.typed.CoreV1().Pods(c.namespace).
			GetLogs(pod, &corev1.PodLogOptions{Previous: previous, TailLines: new(int64(lastWords))}).Stream(ctx)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(log, 64<<10))
		log.Close()
		if words := strings.TrimSpace(string(text)); err == nil && words != "" {
			return "; its log ends with:\n" + words
		}
	}
	return ""
}
