// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// kept is what a watch keeps of one kind of objects: pointers to them.
type kept interface {
	runtime.Object
	metav1.Object
}

// lister lists and watches, as the clients for every kind of objects do.
type lister[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// nameIs selects the one object of a name.
func nameIs(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()}
}

// follow calls tell with all objects of our custom resource that opts select, and
// again after every change, until tell returns false or ctx ends. What changes at
// the same time is told at once.
func follow(ctx context.Context, from lister[*unstructured.UnstructuredList], opts metav1.ListOptions, tell func(map[string]*unstructured.Unstructured) bool) error {
	return followAll(ctx, from, opts, func(l *unstructured.UnstructuredList) []*unstructured.Unstructured {
		return pointers(l.Items)
	}, tell)
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}

// followAll is follow for any kind of objects, which items takes out of a list.
// The map belongs to it, and changes when tell has returned.
func followAll[L runtime.Object, T kept](ctx context.Context, from lister[L], opts metav1.ListOptions, items func(L) []T, tell func(map[string]T) bool) error {
	for {
		all, at, err := listAll(ctx, from, opts, items)
		if err != nil {
			return err
		}
		more := tell(all)
		// A watch that was cut off goes on where it was; only when the API server
		// has forgotten what came after is everything read again.
		for more && at != "" {
			at, more, err = watchOn(ctx, from, opts, at, all, tell)
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

func listAll[L runtime.Object, T kept](ctx context.Context, from lister[L], opts metav1.ListOptions, items func(L) []T) (all map[string]T, at string, err error) {
	list, err := from.List(ctx, opts)
	if err != nil {
		return nil, "", meaning(err)
	}
	meta, ok := any(list).(metav1.ListInterface)
	if accessor, is := any(list).(metav1.ListMetaAccessor); !ok && is {
		meta, ok = accessor.GetListMeta(), true
	}
	if !ok {
		return nil, "", fmt.Errorf("listing gave %T, which is no list", list)
	}
	all = make(map[string]T)
	for _, item := range items(list) {
		all[item.GetName()] = item
	}
	return all, meta.GetResourceVersion(), nil
}

// watchOn takes in changes after at until the watch ends, and tells where to go
// on, which is empty when the changes since then cannot be had any more. There is
// no more to do when tell has had enough.
func watchOn[L runtime.Object, T kept](ctx context.Context, from lister[L], opts metav1.ListOptions, at string, all map[string]T, tell func(map[string]T) bool) (next string, more bool, err error) {
	opts.ResourceVersion, opts.AllowWatchBookmarks = at, true
	// Not all watches are to begin anew at the same moment.
	seconds := 300 + rand.Int64N(300)
	opts.TimeoutSeconds = &seconds
	begin := time.Now()
	w, err := from.Watch(ctx, opts)
	if isExpired(err) {
		return "", true, nil
	}
	if err != nil {
		return "", false, meaning(err)
	}
	defer w.Stop()
	for {
		events := batch(ctx, w)
		if len(events) == 0 {
			return at, true, pause(ctx, begin)
		}
		changed := false
		for _, event := range events {
			if event.Type == watch.Error {
				if err := apierrors.FromObject(event.Object); !isExpired(err) {
					return "", false, meaning(err)
				}
				return "", true, nil
			}
			object, ok := event.Object.(T)
			if !ok {
				return "", false, fmt.Errorf("watching gave %T", event.Object)
			}
			at = object.GetResourceVersion()
			switch event.Type {
			case watch.Added, watch.Modified:
				all[object.GetName()], changed = object, true
			case watch.Deleted:
				delete(all, object.GetName())
				changed = true
			}
		}
		if changed && !tell(all) {
			return "", false, nil
		}
	}
}

// batch waits for an event and gives it with all that are there already. None
// means that the watch, or ctx, has ended.
func batch(ctx context.Context, w watch.Interface) []watch.Event {
	var events []watch.Event
	select {
	case <-ctx.Done():
		return nil
	case event, open := <-w.ResultChan():
		if !open {
			return nil
		}
		events = append(events, event)
	}
	for {
		select {
		case event, open := <-w.ResultChan():
			if !open {
				return events // the next call finds it closed again
			}
			events = append(events, event)
		default:
			return events
		}
	}
}

// pause keeps a watch that ends as soon as it has begun from being asked for
// without end.
func pause(ctx context.Context, begin time.Time) error {
	if time.Since(begin) < time.Second {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return ctx.Err()
}

func isExpired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}
