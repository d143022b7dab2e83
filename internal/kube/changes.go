// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// change is something a watch has seen: an object as it is now, or, with gone,
// as it was last.
type change struct {
	pod  *corev1.Pod
	node *corev1.Node
	gone bool
	// before is the node as it was, nil for one that has just been seen first.
	before *corev1.Node
	// old says that the object was there before anybody listened.
	old bool
	// all says that every old object has been told.
	all bool
}

// changes queues what a watch sees, without end: the watch is shared, and must
// not wait for one who listens.
type changes struct {
	mu    sync.Mutex
	queue []change
	some  chan struct{} // holds a value while the queue may not be empty
	stop  []func()
}

// listen begins to queue the changes of pods that want is true of, and of all
// nodes. Stop must be called.
func (w *watching) listen(want func(*corev1.Pod) bool) (*changes, error) {
	c := &changes{some: make(chan struct{}, 1)}
	pods := cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(o any, old bool) { c.addPod(o, change{old: old}, want) },
		UpdateFunc: func(_, o any) { c.addPod(o, change{}, want) },
		DeleteFunc: func(o any) { c.addPod(o, change{gone: true}, want) },
	}
	nodes := cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(o any, old bool) { c.addNode(o, change{old: old}) },
		UpdateFunc: func(before, o any) {
			was, _ := before.(*corev1.Node)
			c.addNode(o, change{before: was})
		},
		DeleteFunc: func(o any) { c.addNode(o, change{gone: true}) },
	}
	var synced []<-chan struct{}
	for _, l := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{{w.nodes, nodes}, {w.pods, pods}} {
		r, err := l.informer.AddEventHandler(l.handler)
		if err != nil {
			c.end()
			return nil, err
		}
		c.stop = append(c.stop, func() { _ = l.informer.RemoveEventHandler(r) })
		synced = append(synced, r.HasSyncedChecker().Done())
	}
	over := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for _, s := range synced {
			select {
			case <-s:
			case <-over:
				return
			}
		}
		c.add(change{all: true})
	})
	c.stop = append(c.stop, func() {
		close(over)
		waiting.Wait()
	})
	return c, nil
}

// end ends the listening.
func (c *changes) end() {
	for _, stop := range c.stop {
		stop()
	}
}

func (c *changes) addPod(o any, ch change, want func(*corev1.Pod) bool) {
	if pod, ok := last(o).(*corev1.Pod); ok && want(pod) {
		ch.pod = pod
		c.add(ch)
	}
}

func (c *changes) addNode(o any, ch change) {
	if node, ok := last(o).(*corev1.Node); ok {
		ch.node = node
		c.add(ch)
	}
}

// last gives an object, also one whose deletion nobody saw.
func last(o any) any {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		return lost.Obj
	}
	return o
}

func (c *changes) add(ch change) {
	c.mu.Lock()
	c.queue = append(c.queue, ch)
	c.mu.Unlock()
	select {
	case c.some <- struct{}{}:
	default:
	}
}

func (c *changes) take() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.queue
	c.queue = nil
	return all
}

// next waits for changes. Without any by the time there is none and no error.
func (w *watching) next(ctx context.Context, c *changes, by <-chan time.Time) ([]change, error) {
	select {
	case <-c.some:
		return c.take(), nil
	case <-by:
		return nil, nil
	case <-w.broken:
		return nil, w.why
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
