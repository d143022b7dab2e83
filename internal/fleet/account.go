// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"fmt"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Account is an account with a vendor, connected to when it is first used. J is what
// is known of it then, and S what is known of one of its regions.
type Account[J renewer, S any] struct {
	o       Options
	name    string
	connect func(context.Context, Options) (J, error)
	region  func(J, string) S

	joining turns.Turns[struct{}]

	mu     sync.Mutex // held for no longer than it takes to look
	joined *J
	sites  map[string]S
}

// renewer takes in credentials that are given anew, as [serve.Keyholder] has it.
type renewer interface {
	Renew(ctx context.Context) (changed bool, err error)
}

// NewAccount gives an account by what connects to it and what opens a region of it. It
// touches nothing. Name is what people call the vendor.
func NewAccount[J renewer, S any](o Options, name string, connect func(context.Context, Options) (J, error), region func(J, string) S) *Account[J, S] {
	return &Account[J, S]{o: o, name: name, connect: connect, region: region, sites: map[string]S{}}
}

// Options are those that the account was made with.
func (a *Account[J, S]) Options() Options { return a.o }

// Join connects. A failure is not remembered: what it was for may be mended.
func (a *Account[J, S]) Join(ctx context.Context) (J, error) {
	var none J
	ctx, leave, err := a.joining.Enter(ctx, struct{}{})
	if err != nil {
		return none, err
	}
	defer leave()
	if j := a.there(); j != nil {
		return *j, nil
	}
	j, err := a.connect(ctx, a.o)
	if err != nil {
		return none, fmt.Errorf("connecting to %s: %w", a.name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joined = &j
	return j, nil
}

// Renew takes in credentials that are given anew. Whoever connects later is given them
// anyway.
func (a *Account[J, S]) Renew(ctx context.Context) (changed bool, err error) {
	_, leave, err := a.joining.Enter(ctx, struct{}{})
	if err != nil {
		return false, err
	}
	leave() // whoever was connecting may have done so with those before
	j := a.there()
	if j == nil {
		return false, nil
	}
	if changed, err = (*j).Renew(ctx); err != nil {
		return false, fmt.Errorf("connecting to %s: %w", a.name, err)
	}
	return changed, nil
}

// there gives the account if it is connected to.
func (a *Account[J, S]) there() *J {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.joined
}

// Unused says that there has never been a machine, for certain: then there is nothing
// to ask the vendor, who may not even be known.
func (a *Account[J, S]) Unused() bool { return a.there() == nil && a.o.unused() }

// In gives a region, the same each time.
func (a *Account[J, S]) In(ctx context.Context, region string) (S, error) {
	j, err := a.Join(ctx)
	if err != nil {
		var none S
		return none, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sites[region]
	if !ok {
		s = a.region(j, region)
		a.sites[region] = s
	}
	return s, nil
}

// Each does something in several regions at once, and gives all that went wrong.
func (a *Account[J, S]) Each(ctx context.Context, regions []string, do func(S) error) error {
	return Each(regions, func(region string) error {
		s, err := a.In(ctx, region)
		if err != nil {
			return err
		}
		return do(s)
	})
}

// Gather gives what several regions give, with all that went wrong: what some have is
// better than nothing.
func Gather[J renewer, S, T any](ctx context.Context, a *Account[J, S], regions []string, from func(S) ([]T, error)) ([]T, error) {
	var mu sync.Mutex
	var all []T
	err := a.Each(ctx, regions, func(s S) error {
		some, err := from(s)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, some...)
		return err
	})
	return all, err
}
