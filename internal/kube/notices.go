// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// shortNotice is how long a pod is taken to live on when its node will be taken
// and nobody says when.
const shortNotice = 30 * time.Second

// Notices tells of the service's pods and of the cluster's nodes until ctx ends.
// A node that merely does not answer is no notice: its pods may be well.
func (c *Cloud) Notices(ctx context.Context, service string, tell func(serve.Notice)) error {
	err := c.notices(ctx, service, tell)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("watching the pods of service %q: %w", service, err)
}

func (c *Cloud) notices(ctx context.Context, service string, tell func(serve.Notice)) error {
	s, w, leave, err := c.join(ctx)
	if err != nil {
		return err
	}
	defer leave()
	// Asked before the watch is, so that nothing is remembered which the watch
	// had no chance to see.
	known := c.remembered(service)
	changes, err := w.listen(func(p *corev1.Pod) bool { return p.Labels[labelService] == service })
	if err != nil {
		return err
	}
	defer changes.end()
	n := notices{
		cloud: c, site: s, watching: w, tell: tell, service: service,
		pods: make(map[types.UID]*sighting), now: time.Now,
	}
	for {
		news, err := w.next(ctx, changes, nil)
		if err != nil {
			return err
		}
		for _, ch := range news {
			if err := n.see(ctx, ch, known); err != nil {
				return err
			}
		}
	}
}

// notices is one call of Notices.
type notices struct {
	cloud *Cloud
	*site
	*watching
	service string
	tell    func(serve.Notice)
	pods    map[types.UID]*sighting
	now     func() time.Time
}

// sighting is a pod as it was last seen, and what was told of it already.
type sighting struct {
	pod          *corev1.Pod
	ref          serve.Ref
	warned       time.Time // the deadline told
	exited, gone bool
}

// see takes in one change.
func (n *notices) see(ctx context.Context, ch change, known map[serve.Ref]types.UID) error {
	switch {
	case ch.pod != nil:
		return n.seePod(ctx, ch.pod, ch.gone)
	case ch.node != nil:
		return n.seeNode(ctx, ch)
	case ch.all:
		for ref, uid := range known {
			if n.pods[uid] == nil {
				n.tell(serve.Notice{Kind: serve.NoticeGone, Ref: ref, Detail: "its pod is not there any more"})
			}
		}
	}
	return nil
}

func (n *notices) seePod(ctx context.Context, p *corev1.Pod, gone bool) error {
	s := n.pods[p.UID]
	if s == nil {
		i, err := instanceOf(p.ObjectMeta)
		if err != nil {
			return err
		}
		s = &sighting{ref: i.Ref}
		n.pods[p.UID] = s
	}
	s.pod = p
	if gone {
		delete(n.pods, p.UID)
	}
	switch {
	case ended(p) || !started(p):
		// Somebody here has asked for its end, or its launch is not over.
		return nil
	case gone || forced(p):
		n.lost(s, "its pod was deleted"+because(disruption(p)))
		return nil
	}
	return n.look(ctx, s)
}

// ended reports whether somebody here has asked for the pod's end.
func ended(p *corev1.Pod) bool { return p.Annotations[annotationEnding] != "" }

// forced reports whether the pod is being deleted without any grace, which is
// what its end begins with when somebody forces it.
func forced(p *corev1.Pod) bool {
	return p.DeletionTimestamp != nil && p.DeletionGracePeriodSeconds != nil && *p.DeletionGracePeriodSeconds == 0
}

// look tells what is new about a pod that is there.
func (n *notices) look(ctx context.Context, s *sighting) error {
	p := s.pod
	if why := taken(p); why != "" {
		n.lost(s, why)
		return nil
	}
	node := n.node(p.Spec.NodeName)
	if node == nil {
		there, err := nodeExists(ctx, n.site, n.watching, p.Spec.NodeName)
		if err != nil {
			return err
		}
		if !there {
			n.lost(s, "its node "+p.Spec.NodeName+" was deleted")
			return nil
		}
	}
	deadline, why := n.interruption(p, node)
	if t := container(p).Terminated; t != nil {
		switch {
		case !deadline.IsZero():
			// A program that ends when its pod is being taken was asked to.
			n.lost(s, why)
		case !s.exited:
			s.exited = true
			n.tell(serve.Notice{Kind: serve.NoticeExited, Ref: s.ref, ExitCode: int(t.ExitCode), Detail: phaseOf(t)})
		}
		return nil
	}
	if !deadline.IsZero() && (s.warned.IsZero() || deadline.Before(s.warned.Add(-time.Second))) {
		s.warned = deadline
		n.tell(serve.Notice{Kind: serve.NoticeInterruption, Ref: s.ref, Deadline: deadline, Detail: why})
	}
	return nil
}

// phaseOf says which of the scripts has ended.
func phaseOf(t *corev1.ContainerStateTerminated) string {
	if t.Message == phaseSetup {
		return phaseSetup
	}
	return phaseRun
}

// lost tells, once, that a pod is gone.
func (n *notices) lost(s *sighting, why string) {
	if !s.gone {
		s.gone = true
		n.tell(serve.Notice{Kind: serve.NoticeGone, Ref: s.ref, Detail: why})
	}
}

// interruption says when a pod will be taken and why; the zero time if it will not.
func (n *notices) interruption(p *corev1.Pod, node *corev1.Node) (time.Time, string) {
	why := disruption(p)
	if p.DeletionTimestamp != nil {
		if why == "" {
			why = "its pod is being deleted"
		}
		return p.DeletionTimestamp.Time, why
	}
	if why != "" {
		return n.now().Add(graceOf(p)), why
	}
	if node == nil {
		return time.Time{}, ""
	}
	var soonest time.Time
	for _, t := range node.Spec.Taints {
		if by := n.takenBy(t, p); !by.IsZero() && (soonest.IsZero() || by.Before(soonest)) {
			soonest, why = by, "its node "+node.Name+" has the taint "+t.ToString()
		}
	}
	return soonest, why
}

// takenBy says when a taint of its node will cost a pod its life.
func (n *notices) takenBy(t corev1.Taint, p *corev1.Pod) time.Time {
	if announces(t) {
		return n.now().Add(shortNotice)
	}
	if t.Effect != corev1.TaintEffectNoExecute || t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
		return time.Time{}
	}
	tol, ok := tolerated(t, p.Spec.Tolerations)
	switch {
	case !ok:
		return n.now().Add(shortNotice)
	case tol.TolerationSeconds == nil:
		return time.Time{}
	}
	from := n.now()
	if t.TimeAdded != nil {
		from = t.TimeAdded.Time
	}
	return from.Add(time.Duration(*tol.TolerationSeconds) * time.Second)
}

// seeNode sees to a node: to the pods on it, and to the room there may be.
func (n *notices) seeNode(ctx context.Context, ch change) error {
	for _, uid := range n.on(ch.node.Name) {
		s := n.pods[uid]
		if ended(s.pod) || !started(s.pod) {
			continue
		}
		if ch.gone {
			n.lost(s, "its node "+ch.node.Name+" was deleted")
		} else if err := n.look(ctx, s); err != nil {
			return err
		}
	}
	if !ch.old && !ch.gone && n.cloud.o.opened(ch.before, ch.node) {
		p := n.cloud.o.placeOf(ch.node)
		n.tell(serve.Notice{
			Kind: serve.NoticeCapacity, Market: p.market,
			Location: serve.Location{Cloud: cloudName, Region: n.cloud.region(n.site), Zone: p.zone},
			Detail:   "node " + ch.node.Name + " takes pods",
		})
	}
	return nil
}

// on lists the pods on a node, in a fixed order.
func (n *notices) on(node string) []types.UID {
	var all []types.UID
	for uid, s := range n.pods {
		if s.pod.Spec.NodeName == node {
			all = append(all, uid)
		}
	}
	slices.Sort(all)
	return all
}
