// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// List gives the service's pods, and the Secrets of launches that did not come as
// far as a pod.
func (c *Cloud) List(ctx context.Context, service string) ([]serve.Instance, error) {
	list, err := c.list(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("listing the pods of service %q: %w", service, err)
	}
	return list, nil
}

func (c *Cloud) list(ctx context.Context, service string) ([]serve.Instance, error) {
	if !possible(serve.Ref{Service: service}) {
		return nil, nil // it never was here
	}
	s, w, leave, err := c.join(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	of := metav1.ListOptions{LabelSelector: s.ours(service)}
	// Secrets first: one whose pod is made in between is found by its pod.
	secrets, err := s.typed.CoreV1().Secrets(s.namespace).List(ctx, of)
	if err != nil {
		return nil, meaning(err)
	}
	pods, err := s.typed.CoreV1().Pods(s.namespace).List(ctx, of)
	if err != nil {
		return nil, meaning(err)
	}
	var list []serve.Instance
	listed := make(map[serve.Ref]bool)
	for _, p := range pods.Items {
		i, err := instance(&p)
		if err != nil {
			return nil, err
		}
		if i.Running {
			if i.Running, err = nodeExists(ctx, s, w, p.Spec.NodeName); err != nil {
				return nil, err
			}
		}
		list = append(list, i)
		listed[i.Ref] = true
	}
	for _, secret := range secrets.Items {
		i, err := instanceOf(secret.ObjectMeta)
		if err != nil {
			return nil, err
		}
		if !listed[i.Ref] {
			list = append(list, i)
			listed[i.Ref] = true
		}
	}
	return list, nil
}

// nodeExists reports whether there is such a node. The watch of nodes may be a
// little behind that of pods, so that a no is asked for.
func nodeExists(ctx context.Context, s *site, w *watching, name string) (bool, error) {
	if w.node(name) != nil {
		return true, nil
	}
	_, err := s.typed.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, meaning(err)
}

// Terminate deletes the pod and its Secret, and returns when they are gone. A
// launch of it that is under way is broken off.
func (c *Cloud) Terminate(ctx context.Context, ref serve.Ref) error {
	if !possible(ref) {
		return nil // it never was here
	}
	c.machines.Interrupt(ref, fmt.Errorf("%w: it was terminated", serve.ErrConflict))
	err := func() error {
		ctx, leave, err := c.machines.Enter(ctx, ref)
		if err != nil {
			return err
		}
		defer leave()
		s, w, part, err := c.join(ctx)
		if err != nil {
			return err
		}
		defer part()
		return c.terminate(ctx, s, w, ref)
	}()
	if err != nil {
		return fmt.Errorf("terminating replica %d: %w", ref.Replica, err)
	}
	return nil
}

func (c *Cloud) terminate(ctx context.Context, s *site, w *watching, ref serve.Ref) error {
	c.forget(ref)
	defer c.tunnels.forget(podName(ref))
	changes, err := w.listen(named(podName(ref)))
	if err != nil {
		return err
	}
	defer changes.end()
	pods := s.typed.CoreV1().Pods(s.namespace)
	p, err := pods.Get(ctx, podName(ref), metav1.GetOptions{})
	if err == nil {
		i, ours := instanceOf(p.ObjectMeta)
		if ours != nil || i.Ref != ref {
			return fmt.Errorf("%w: the pod %q is of another replica", serve.ErrConflict, p.Name)
		}
		err = c.end(ctx, s, w, changes, p)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return meaning(err)
	}
	err = s.typed.CoreV1().Secrets(s.namespace).Delete(ctx, podName(ref), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return meaning(err)
	}
	return nil
}

// end deletes the pod and waits until it is gone. Without its node nobody would
// ever say that its processes have ended, and there is nothing to be waited for.
func (c *Cloud) end(ctx context.Context, s *site, w *watching, changes *changes, p *corev1.Pod) error {
	pods := s.typed.CoreV1().Pods(s.namespace)
	// Said before it is done, so that nobody takes the pod's end for a loss.
	mark := []byte(`{"metadata":{"uid":"` + string(p.UID) + `","annotations":{"` + annotationEnding + `":"true"}}}`)
	if _, err := pods.Patch(ctx, p.Name, types.MergePatchType, mark, metav1.PatchOptions{}); err != nil {
		return err
	}
	remove := func(grace *int64) error {
		err := pods.Delete(ctx, p.Name, metav1.DeleteOptions{
			GracePeriodSeconds: grace, Preconditions: &metav1.Preconditions{UID: &p.UID},
		})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil // it is gone, and its name may be another's
		}
		return err
	}
	var grace *int64
	if p.Spec.NodeName != "" {
		alive, err := nodeExists(ctx, s, w, p.Spec.NodeName)
		if err != nil {
			return err
		}
		if !alive {
			grace = new(int64(0))
		}
	}
	if err := remove(grace); err != nil {
		return err
	}
	// What is not running anywhere is deleted at once, maybe before the watch has
	// ever seen it.
	left, err := pods.Get(ctx, p.Name, metav1.GetOptions{})
	if err != nil || left.UID != p.UID {
		return err
	}
	return awaitGone(ctx, w, changes, p.UID, func(node string) error {
		if node != left.Spec.NodeName {
			return nil
		}
		return remove(new(int64(0)))
	})
}
