// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// lookAgain is how often something is looked at again that nobody tells about: a
// Secret that is not there yet, and the addresses of nodes.
const lookAgain = 10 * time.Second

// view is what one call of Watch has seen.
type view struct {
	d *Directory

	mu        sync.Mutex
	objects   map[string]*unstructured.Unstructured
	endpoints map[string]*corev1.Service
	changed   chan struct{}

	// specs are those that have been read, by the name of their service.
	specs map[string]declaredSpec
}

// declaredSpec is the spec of one generation of a service.
type declaredSpec struct {
	uid        types.UID
	generation int64
	digest     string
	spec       *serve.Spec
	invalid    string
	// final is false when it may become another by itself.
	final bool
}

// Watch implements [serve.Directory]. A service is told of once it has our
// finalizer, so that it does not vanish without our taking note.
func (d *Directory) Watch(ctx context.Context, tell func([]serve.Declaration)) error {
	v := &view{d: d, changed: make(chan struct{}, 1), specs: map[string]declaredSpec{}}
	ctx, cancel := context.WithCancelCause(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel(nil)
	following.Go(func() {
		cancel(follow(ctx, d.c.objects(), metav1.ListOptions{}, func(all map[string]*unstructured.Unstructured) bool {
			v.see(func() { v.objects = maps.Clone(all) })
			return true
		}))
	})
	following.Go(func() {
		selector := metav1.ListOptions{LabelSelector: labelManager + "=" + manager + "," + labelService}
		items := func(l *corev1.ServiceList) []*corev1.Service { return pointers(l.Items) }
		cancel(followAll(ctx, d.c.typed.CoreV1().Services(d.c.namespace), selector, items, func(all map[string]*corev1.Service) bool {
			v.see(func() { v.endpoints = maps.Clone(all) })
			return true
		}))
	})
	if err := v.tellAll(ctx, tell); err != nil {
		return fmt.Errorf("watching services: %w", err)
	}
	return nil
}

// see takes in what has been seen.
func (v *view) see(take func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	take()
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// tellAll tells all declarations whenever one of them has changed.
func (v *view) tellAll(ctx context.Context, tell func([]serve.Declaration)) error {
	var told []serve.Declaration
	for first, unfinished := true, false; ; {
		var again <-chan time.Time
		if unfinished {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.changed:
		case <-again:
		}
		v.mu.Lock()
		objects, endpoints := v.objects, v.endpoints
		v.mu.Unlock()
		if objects == nil || endpoints == nil {
			continue // not everything has been listed yet
		}
		all, finished, err := v.declare(ctx, objects, endpoints)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		unfinished = !finished
		if first || !reflect.DeepEqual(all, told) {
			tell(slices.Clone(all))
			first, told = false, all
		}
	}
}

// declare gives the declarations of what has been seen, and whether they stay as
// they are until something is seen.
func (v *view) declare(ctx context.Context, objects map[string]*unstructured.Unstructured, endpoints map[string]*corev1.Service) (all []serve.Declaration, finished bool, err error) {
	finished = true
	urls, known, err := v.d.urlsOf(ctx, endpoints)
	if err != nil {
		return nil, false, err
	}
	urls = v.d.look(objects, endpoints, urls)
	all = []serve.Declaration{}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		object := objects[name]
		guarded := slices.Contains(object.GetFinalizers(), finalizer)
		if !guarded && object.GetDeletionTimestamp() == nil {
			if err := v.d.guard(ctx, object); err != nil {
				return nil, false, err
			}
		}
		if !guarded {
			continue // it will be seen with its finalizer
		}
		s, err := read(object)
		if err != nil {
			// Its status was written by another program. What is asked for is what counts.
			bare := object.DeepCopy()
			unstructured.RemoveNestedField(bare.Object, "status")
			if s, err = read(bare); err != nil {
				return nil, false, err
			}
		}
		spec, err := v.spec(ctx, s)
		if err != nil {
			return nil, false, err
		}
		finished = finished && spec.final
		all = append(all, serve.Declaration{
			Name: name, UID: string(s.UID), Generation: spec.generation, Taken: s.taken(), Asked: spec.digest, Spec: spec.spec, Invalid: spec.invalid,
			Shown: object.GetAnnotations()[annotationShown], Reached: object.GetAnnotations()[annotationReached],
			Deleting: s.DeletionTimestamp != nil, End: s.ends(), Port: s.Status.Port, Endpoint: urls[name],
		})
	}
	maps.DeleteFunc(v.specs, func(name string, _ declaredSpec) bool { return objects[name] == nil })
	return all, finished && known, nil
}

// guard gives a service our finalizer. Someone else's change at the same moment
// is no matter: the service is seen again.
func (d *Directory) guard(ctx context.Context, object *unstructured.Unstructured) error {
	err := patch(ctx, d.c, object, map[string]any{
		"finalizers":      append(object.GetFinalizers(), finalizer),
		"resourceVersion": object.GetResourceVersion(),
	})
	if errors.Is(err, serve.ErrConflict) || errors.Is(err, serve.ErrNotFound) || errors.Is(err, serve.ErrInvalid) {
		return nil
	}
	return err
}

// look remembers what has been seen for those who write, and gives the URLs with
// those of endpoints that were made a moment ago and have not been seen yet.
func (d *Directory) look(objects map[string]*unstructured.Unstructured, endpoints map[string]*corev1.Service, urls map[string]string) map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.exposed {
		if endpoints[name] == nil {
			delete(d.applied, name) // somebody has removed it
		}
	}
	for name := range d.applied {
		if endpoints[name] == nil && d.urls[name] != "" {
			urls[name] = d.urls[name]
		}
	}
	d.seen, d.urls, d.exposed = maps.Clone(objects), urls, endpoints
	return maps.Clone(urls)
}

// spec gives what a service asks for, with what is secret.
func (v *view) spec(ctx context.Context, s *ServeService) (declaredSpec, error) {
	if had := v.specs[s.Name]; had.final && had.uid == s.UID && had.generation == s.Generation {
		return had, nil
	}
	now := declaredSpec{uid: s.UID, generation: s.Generation, digest: s.digest(), final: true}
	spec, err := s.asked()
	if err == nil && spec != nil {
		err = revealFrom(ctx, v.d.c, s.Spec.SecretName, spec)
	}
	if errors.Is(err, serve.ErrNotFound) {
		// It may be gone because a newer generation has another.
		if newer, err := v.newer(ctx, s); err != nil || newer != nil {
			if err != nil {
				return declaredSpec{}, err
			}
			return v.spec(ctx, newer)
		}
	}
	switch {
	case err == nil:
		now.spec = spec
	case errors.Is(err, serve.ErrUnreachable), errors.Is(err, serve.ErrUnauthorized), ctx.Err() != nil:
		return declaredSpec{}, err
	default:
		now.invalid, now.final = err.Error(), false
	}
	v.specs[s.Name] = now
	return now, nil
}

// newer gives a generation of a service that has not been seen yet, nil if there is
// none.
func (v *view) newer(ctx context.Context, s *ServeService) (*ServeService, error) {
	object, err := v.d.ask(ctx, s.Name, string(s.UID))
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil //nolint:nilnil // no newer generation is no error
	}
	if err != nil {
		return nil, err
	}
	there, err := read(object)
	if err != nil || there.Generation == s.Generation {
		return nil, err
	}
	return there, nil
}

// revealFrom puts what is secret into a spec, from the Secret of a name.
func revealFrom(ctx context.Context, c *clients, secretName string, spec *serve.Spec) error {
	if secretName == "" {
		return reveal(spec, secretName, nil)
	}
	secret, err := c.typed.CoreV1().Secrets(c.namespace).Get(ctx, secretName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the Secret %q of spec.secretName: %w", secretName, meaning(err))
	}
	return reveal(spec, secretName, secret.Data)
}
