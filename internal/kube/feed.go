// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// feed watches the pods of our replicas and the nodes of the cluster for as long
// as anybody needs it: one watch of each, however many services there are.
type feed struct {
	cluster *connector
	log     *slog.Logger
	mu      sync.Mutex
	now     *watching
}

// watching is one life of a feed.
type watching struct {
	pods, nodes cache.SharedIndexInformer
	users       int // guarded by the feed's mu
	cancel      context.CancelFunc
	done        sync.WaitGroup
	// broken is closed when the watch cannot go on, for the reason why.
	broken chan struct{}
	once   sync.Once
	why    error
}

// join waits until everything there is has been seen. An answer that is not had
// at once is an error; later on the watch outlasts any silence of the server, but
// not the loss of the right to watch.
func (f *feed) join(ctx context.Context) (w *watching, leave func(), err error) {
	if w, err = f.enter(ctx); err != nil {
		return nil, nil, err
	}
	for _, synced := range []<-chan struct{}{w.pods.HasSyncedChecker().Done(), w.nodes.HasSyncedChecker().Done()} {
		select {
		case <-synced:
		case <-w.broken:
			f.leave(w)
			return nil, nil, w.why
		case <-ctx.Done():
			f.leave(w)
			return nil, nil, ctx.Err()
		}
	}
	return w, func() { f.leave(w) }, nil
}

func (f *feed) enter(ctx context.Context) (*watching, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		select {
		case <-f.now.broken: // those who use it yet will leave
		default:
			f.now.users++
			return f.now, nil
		}
	}
	s, err := f.cluster.connect(ctx)
	if err != nil {
		return nil, err
	}
	pods := informers.NewSharedInformerFactoryWithOptions(s.typed, 0, informers.WithNamespace(s.namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = s.ours("") }))
	w := &watching{
		pods: pods.Core().V1().Pods().Informer(), users: 1, broken: make(chan struct{}),
		nodes: informers.NewSharedInformerFactory(s.typed, 0).Core().V1().Nodes().Informer(),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // whoever came first may leave first
	w.cancel = cancel
	for what, informer := range map[string]cache.SharedIndexInformer{"pods": w.pods, "nodes": w.nodes} {
		err := informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			w.troubled(ctx, f.log, what, informer.HasSynced(), err)
		})
		if err != nil {
			cancel()
			return nil, err
		}
		w.done.Go(func() { informer.RunWithContext(ctx) })
	}
	f.now = w
	return w, nil
}

// seen names the pods that there are, as far as anybody watches.
func (f *feed) seen() map[types.UID]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[types.UID]bool{}
	if f.now == nil {
		return seen
	}
	for _, found := range f.now.pods.GetStore().List() {
		if pod, ok := found.(*corev1.Pod); ok {
			seen[pod.UID] = true
		}
	}
	return seen
}

// leave ends the watch with its last user.
func (f *feed) leave(w *watching) {
	f.mu.Lock()
	w.users--
	last := w.users == 0
	if last && f.now == w {
		f.now = nil
	}
	f.mu.Unlock()
	if last {
		w.cancel()
		w.done.Wait()
	}
}

// troubled takes in that a list or a watch has failed, and is being tried again.
func (w *watching) troubled(ctx context.Context, log *slog.Logger, what string, seen bool, err error) {
	// A server ends a watch now and then, and what a watch began from grows old.
	// And the store behind it may lag behind the server.
	if ctx.Err() != nil || errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return
	}
	if seen && !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		log.WarnContext(ctx, "watching was interrupted; trying again", "what", what, "error", err)
		return
	}
	w.once.Do(func() {
		w.why = meaning(err)
		close(w.broken)
	})
}

// pod gives what is known of a pod, nil when there is none.
func (w *watching) pod(namespace, name string) *corev1.Pod {
	found, ok, err := w.pods.GetStore().GetByKey(namespace + "/" + name)
	pod, is := found.(*corev1.Pod)
	if err != nil || !ok || !is {
		return nil
	}
	return pod
}

// node gives what is known of a node, nil when there is none.
func (w *watching) node(name string) *corev1.Node {
	found, ok, err := w.nodes.GetStore().GetByKey(name)
	node, is := found.(*corev1.Node)
	if err != nil || !ok || !is {
		return nil
	}
	return node
}

// allNodes gives the nodes in no order.
func (w *watching) allNodes() []*corev1.Node {
	var all []*corev1.Node
	for _, found := range w.nodes.GetStore().List() {
		if node, ok := found.(*corev1.Node); ok {
			all = append(all, node)
		}
	}
	return all
}
