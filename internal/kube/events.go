// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// pageEvents is how many events may stand beside the state. A save that finds
	// more moves them into a page first.
	pageEvents = 256
	// keepEvents is how many events are kept at least.
	keepEvents = 1000
	// annotationState is the identity of the state that a page of events is for.
	annotationState = group + "/state"
)

// pageName is the name of the Secret of a page of events.
func pageName(service string, first int64) string {
	return fmt.Sprintf("%s.events.%012d", service, first)
}

// turnPage moves the events of a record into a page, and gives the record without
// them, which is yet to be stored.
//
// What is on a page is decided by what is stored and by nothing else: whoever
// saves next finds the same events to move, so that it does not matter which of
// several wrote the page, nor whether its save was accepted. So, too, it is
// decided which pages are not needed any more.
func (s *Store) turnPage(ctx context.Context, base *record) (*record, error) {
	events, err := compress(base.events)
	if err != nil {
		return nil, err
	}
	page := s.secret(pageName(s.service, base.First), map[string][]byte{keyEvents: events})
	page.Annotations = map[string]string{annotationState: string(base.uid)}
	if err := s.writePage(ctx, page); err != nil {
		return nil, fmt.Errorf("writing events from %d on: %w", base.First, err)
	}
	turned := *base
	turned.events, turned.Pages, turned.First = nil, nil, base.Last+1
	for _, p := range append(slices.Clip(base.Pages), eventPage{base.First, base.Last}) {
		if p.Last > base.Last-keepEvents {
			turned.Pages = append(turned.Pages, p)
			continue
		}
		err := s.secrets.Delete(ctx, pageName(s.service, p.First), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("deleting events from %d on: %w", p.First, meaning(err))
		}
	}
	return &turned, nil
}

// writePage makes a page. One that is there already is the same, unless it was
// left behind by an earlier service of the same name.
func (s *Store) writePage(ctx context.Context, page *corev1.Secret) error {
	_, err := s.secrets.Create(ctx, page, metav1.CreateOptions{FieldManager: fieldManager})
	if !apierrors.IsAlreadyExists(err) {
		return meaning(err)
	}
	there, err := s.secrets.Get(ctx, page.Name, metav1.GetOptions{})
	if err != nil {
		return meaning(err)
	}
	if there.Annotations[annotationState] == page.Annotations[annotationState] {
		return nil
	}
	page.ResourceVersion, page.UID = there.ResourceVersion, there.UID
	_, err = s.secrets.Update(ctx, page, metav1.UpdateOptions{FieldManager: fieldManager})
	return meaning(err)
}

// Events implements [serve.Store].
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]serve.Event, error) {
	if after = max(after, 0); after == math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	r, err := s.read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	var events []serve.Event
	if err == nil {
		events, err = s.eventsOf(ctx, r, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("loading events of service %q: %w", s.service, err)
	}
	return events, nil
}

// eventsOf gives events that a record holds and names.
func (s *Store) eventsOf(ctx context.Context, r *record, after int64, limit int) ([]serve.Event, error) {
	var found []serve.Event
	take := func(events []serve.Event) {
		for _, e := range events {
			if e.Seq > after && len(found) < limit {
				found = append(found, e)
			}
		}
	}
	for _, p := range r.Pages {
		if p.Last <= after || len(found) == limit {
			continue
		}
		events, err := s.page(ctx, p, r.uid)
		if errors.Is(err, serve.ErrNotFound) {
			// Forgotten meanwhile; what is older is forgotten as well.
			found = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		take(events)
	}
	take(r.events)
	return found, nil
}

// page reads a page of events.
func (s *Store) page(ctx context.Context, p eventPage, state types.UID) ([]serve.Event, error) {
	secret, err := s.secrets.Get(ctx, pageName(s.service, p.First), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	if secret.Annotations[annotationState] != string(state) {
		return nil, fmt.Errorf("%w: the Secret %q is of another service", serve.ErrNotFound, secret.Name)
	}
	var events []serve.Event
	if err := expand(secret.Data[keyEvents], &events); err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	return events, nil
}
