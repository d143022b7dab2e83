// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// clearPatience is how long a failed launch may take to clear away after itself.
const clearPatience = time.Minute

// Launch makes the pod of req.Ref and returns when its container has started. A
// pod that is there is returned, not Running when it is dead: one reference never
// gets a second pod before it was terminated. When Launch fails it leaves nothing
// behind.
func (c *Cloud) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	i, err := c.launchInTurn(ctx, req)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	return i, nil
}

func (c *Cloud) launchInTurn(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := checkRef(req.Ref); err != nil {
		return serve.Instance{}, err
	}
	ctx, leave, err := c.machines.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, err
	}
	defer leave()
	s, w, part, err := c.join(ctx)
	if err != nil {
		return serve.Instance{}, err
	}
	defer part()
	l := launch{cloud: c, site: s, watching: w, req: req}
	p, err := l.run(ctx)
	if err == nil {
		c.remember(req.Ref, p.UID)
		return instance(p)
	}
	if over := context.Cause(ctx); over != nil && isOver(err) {
		err = over
	}
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearPatience)
	defer cancel()
	return serve.Instance{}, errors.Join(err, l.clear(patient))
}

// launch is one launch under way.
type launch struct {
	cloud *Cloud
	*site
	*watching
	req serve.LaunchRequest
	// made is whether the pod or its Secret may be there, and put the bundles that
	// this launch has brought into the cluster.
	made bool
	put  []string
}

// run makes the pod, or finds it, and waits for it.
func (l *launch) run(ctx context.Context) (*corev1.Pod, error) {
	p, err := l.find(ctx)
	if err != nil {
		return nil, err
	}
	if p == nil {
		b, err := l.plan()
		if err != nil {
			return nil, err
		}
		if p, err = l.make(ctx, b); err != nil {
			return nil, err
		}
	}
	l.made = true
	// Also one that is found: who made it may have come no farther than that.
	if err := l.bind(ctx, p); err != nil {
		return nil, err
	}
	return l.await(ctx, p)
}

// find gives the pod that is there, if it is to stay. One that is dying is
// waited out.
func (l *launch) find(ctx context.Context) (*corev1.Pod, error) {
	changes, err := l.listen(named(podName(l.req.Ref)))
	if err != nil {
		return nil, err
	}
	defer changes.end()
	p, err := l.typed.CoreV1().Pods(l.namespace).Get(ctx, podName(l.req.Ref), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, meaning(err)
	case p.DeletionTimestamp != nil:
		return nil, l.gone(ctx, changes, p)
	}
	i, err := instanceOf(p.ObjectMeta)
	if err == nil && i.Ref != l.req.Ref {
		err = fmt.Errorf("%w: the pod %q is of another replica", serve.ErrConflict, p.Name)
	}
	return p, err
}

// plan decides what the pod is to be like.
func (l *launch) plan() (blueprint, error) {
	a, err := askOf(l.req.Resource)
	if err != nil {
		return blueprint{}, invalid(err)
	}
	offer := l.req.Offer
	region := l.cloud.region(l.site)
	if at := offer.Location; at.Cloud != cloudName || at.Region != region {
		return blueprint{}, fmt.Errorf("%w: %s is not in this cluster, which is %q", serve.ErrInvalid, at, region)
	}
	if offer.InstanceType != a.instanceType() {
		return blueprint{}, fmt.Errorf("%w: the resources make a pod of %s, and not of %q", serve.ErrInvalid, a.instanceType(), offer.InstanceType)
	}
	t, err := l.cloud.targetOf(a, offer, l.cloud.candidates(l.watching))
	if err != nil {
		return blueprint{}, err
	}
	return blueprint{
		req: l.req, ask: a, target: t, image: l.cloud.o.Image, scope: l.scope, id: l.namespace + "/" + podName(l.req.Ref),
		owners: l.cloud.owners(l.req.Ref.Service), bundles: make(map[string][]string),
	}, nil
}

func invalid(err error) error {
	if errors.Is(err, serve.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w: %w", serve.ErrInvalid, err)
}

// make makes the pod with what it needs: first what it needs, for a pod whose
// Secrets are late waits for minutes.
func (l *launch) make(ctx context.Context, b blueprint) (*corev1.Pod, error) {
	store := piles{l.site}
	for _, m := range mounts(b.req.Task.Workdir, b.req.Task.FileMounts) {
		if b.bundles[m.digest] != nil {
			continue
		}
		names, put, err := store.ensure(ctx, m.digest, b.owners, b.req.Bundle)
		if put {
			l.put = append(l.put, m.digest)
		}
		if err != nil {
			return nil, err
		}
		b.bundles[m.digest] = names
	}
	secret, err := b.secret()
	if err != nil {
		return nil, err
	}
	pod, err := b.pod()
	if err != nil {
		return nil, err
	}
	l.made = true
	if secret != nil {
		if err := l.replaceSecret(ctx, secret); err != nil {
			return nil, err
		}
	}
	p, err := l.typed.CoreV1().Pods(l.namespace).Create(ctx, pod, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		// Somebody else was faster. The pod is not ours to clear away.
		l.made = false
		p, err = l.find(ctx)
		if err == nil && p == nil {
			err = fmt.Errorf("%w: the pod was made and ended by somebody else", serve.ErrConflict)
		}
		return p, err
	}
	if err != nil {
		return nil, meaning(err)
	}
	return p, nil
}

// replaceSecret makes the Secret, in place of what an earlier try has left.
func (l *launch) replaceSecret(ctx context.Context, secret *corev1.Secret) error {
	secrets := l.typed.CoreV1().Secrets(l.namespace)
	_, err := secrets.Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if err = secrets.Delete(ctx, secret.Name, metav1.DeleteOptions{}); err == nil || apierrors.IsNotFound(err) {
			_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
		}
	}
	return meaning(err)
}

// bind gives what the pod needs to the pod, so that it goes when the pod does,
// whoever ends that. A bundle that is gone went with the last pod that was its
// owner before; this one waits for it if it has not started.
func (l *launch) bind(ctx context.Context, p *corev1.Pod) error {
	owner := Owner{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: string(p.UID)}.reference()
	if len(l.req.Task.Secrets) > 0 {
		if err := addOwner(ctx, l.site, p.Name, owner); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return err
		}
	}
	owners := append(l.cloud.owners(l.req.Ref.Service), owner)
	for _, m := range mounts(l.req.Task.Workdir, l.req.Task.FileMounts) {
		err := addOwner(ctx, l.site, indexName(m.digest), owner)
		if errors.Is(err, serve.ErrNotFound) {
			if err = nil; !started(p) {
				_, _, err = piles{l.site}.ensure(ctx, m.digest, owners, l.req.Bundle)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear takes away what a failed launch has made.
func (l *launch) clear(ctx context.Context) error {
	var failed error
	if l.made {
		failed = l.cloud.terminate(ctx, l.site, l.watching, l.req.Ref)
	}
	for _, digest := range l.put {
		failed = errors.Join(failed, piles{l.site}.removeUnowned(ctx, digest))
	}
	return failed
}

// await waits until the container has started.
func (l *launch) await(ctx context.Context, p *corev1.Pod) (*corev1.Pod, error) {
	changes, err := l.listen(named(p.Name))
	if err != nil {
		return nil, err
	}
	defer changes.end()
	patience := patience{limit: l.cloud.o.ProvisionTimeout, now: time.Now}
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		up, err := patience.judge(p)
		if errors.Is(err, errUnschedulable) {
			err = l.unscheduled(ctx, p, &patience)
		}
		if up || err != nil {
			return p, err
		}
		alarm.Stop()
		if by := patience.until(); !by.IsZero() {
			alarm.Reset(time.Until(by))
		}
		news, err := l.next(ctx, changes, alarm.C)
		if err != nil {
			return nil, err
		}
		for _, n := range news {
			switch {
			case n.pod == nil || n.pod.UID != p.UID:
			case n.gone:
				return nil, fmt.Errorf("its pod was deleted while it was being launched%s", because(disruption(n.pod)))
			default:
				p = n.pod
			}
		}
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// unscheduled decides about a pod that no node has had room for, for too long:
// while a node is being made for it it may wait.
func (l *launch) unscheduled(ctx context.Context, p *corev1.Pod, patience *patience) error {
	why := fmt.Errorf("%w: %s", serve.ErrCapacity, patience.unschedulable)
	if patience.limit >= autoscalePatience {
		return why
	}
	events, err := l.typed.CoreV1().Events(l.namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(p.UID),
	})
	if apierrors.IsForbidden(err) {
		return why
	}
	if err != nil {
		return meaning(err)
	}
	for _, e := range events.Items {
		if slices.Contains([]string{"TriggeredScaleUp", "Nominated"}, e.Reason) {
			patience.limit = autoscalePatience
			l.cloud.log.InfoContext(ctx, "waiting for a node that is being made", "pod", p.Name, "reason", e.Reason, "message", e.Message)
			return nil
		}
	}
	return why
}

// named selects the pod of that name.
func named(name string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Name == name }
}

// gone waits until the pod is not there any more. Changes must have been
// listened to from before it was last seen.
func (l *launch) gone(ctx context.Context, c *changes, p *corev1.Pod) error {
	return awaitGone(ctx, l.watching, c, p.UID, nil)
}

// awaitGone waits for the deletion of a pod, and calls lost when its node goes.
func awaitGone(ctx context.Context, w *watching, c *changes, uid types.UID, lost func(node string) error) error {
	for {
		news, err := w.next(ctx, c, nil)
		if err != nil {
			return err
		}
		for _, n := range news {
			switch {
			case n.pod != nil && n.gone && n.pod.UID == uid:
				return nil
			case n.node != nil && n.gone && lost != nil:
				if err := lost(n.node.Name); err != nil {
					return err
				}
			}
		}
	}
}

// address tells whether the pod has its place in the network.
func addressed(p *corev1.Pod) bool { return net.ParseIP(strings.TrimSpace(p.Status.PodIP)) != nil }
