// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// deployers opens the deployers when the first of them is asked for, once for
// all resources.
type deployers struct {
	options Options
	home    types.String

	once   sync.Once
	byName map[string]serve.Deployer
	err    error
}

// known reports whether deployers can be had: not while the provider's own
// configuration depends on something that is yet to be made.
func (d *deployers) known() bool { return d != nil && !d.home.IsUnknown() }

// open gives every deployer by its name.
func (d *deployers) open() (map[string]serve.Deployer, error) {
	if !d.known() {
		return nil, fmt.Errorf("the provider's home is not known yet")
	}
	d.once.Do(func() {
		home := d.home.ValueString()
		if d.options.Home != nil {
			if home, d.err = d.options.Home(home); d.err != nil {
				return
			}
		}
		d.byName, d.err = d.options.Deployers(home)
	})
	return d.byName, d.err
}

// get gives the deployer for an infra. ErrNotFound, with a text that lists those
// there are, means that there is none of that name.
func (d *deployers) get(infra string) (serve.Deployer, error) {
	all, err := d.open()
	if err != nil {
		return nil, err
	}
	if found, ok := all[infra]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("putting a controller on %q: %w: there is only %s", infra, serve.ErrNotFound, words(slices.Sorted(maps.Keys(all))))
}

// words lists names for a sentence or a description, in Markdown's code style.
func words[S ~string](names []S) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + string(n) + "`"
	}
	return strings.Join(quoted, ", ")
}
