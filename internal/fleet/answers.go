// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Answers are what a vendor has answered about things by their names, each good for
// a while. One caller at a time asks: the others find the answer. The zero value
// knows nothing.
type Answers[T any] struct {
	asking turns.Turns[struct{}]
	// known is touched only by whoever has the turn to ask.
	known map[string]dated[T]
}

// dated is an answer that is good until a time.
type dated[T any] struct {
	is    T
	until time.Time
}

// Of gives what is known of some names, and asks for what is not, or not any more.
// That there is nothing under a name is an answer as well.
func (a *Answers[T]) Of(ctx context.Context, lifetime time.Duration, names []string, ask func(context.Context, []string) (map[string]T, error)) (map[string]T, error) {
	ctx, leave, err := a.asking.Enter(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	defer leave()
	now := time.Now()
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return now.Before(a.known[name].until) })
	if len(missing) > 0 {
		found, err := ask(ctx, missing)
		if err != nil {
			return nil, err
		}
		if a.known == nil {
			a.known = map[string]dated[T]{}
		}
		for _, name := range missing {
			a.known[name] = dated[T]{found[name], now.Add(lifetime)}
		}
	}
	all := make(map[string]T, len(names))
	for _, name := range names {
		all[name] = a.known[name].is
	}
	return all, nil
}

// One is Of for one name.
func (a *Answers[T]) One(ctx context.Context, lifetime time.Duration, name string, ask func(context.Context) (T, error)) (T, error) {
	found, err := a.Of(ctx, lifetime, []string{name}, func(ctx context.Context, _ []string) (map[string]T, error) {
		is, err := ask(ctx)
		return map[string]T{name: is}, err
	})
	return found[name], err
}

// Drop forgets what is known under a name: somebody has changed it.
func (a *Answers[T]) Drop(ctx context.Context, name string) error {
	_, leave, err := a.asking.Enter(ctx, struct{}{})
	if err != nil {
		return err
	}
	defer leave()
	delete(a.known, name)
	return nil
}
