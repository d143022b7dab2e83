// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// choice is what a line of accelerators leaves to choose from.
type choice struct {
	// names are in the form of the domain, "NAME" or "NAME:count".
	names []string
	// inOrder says that the first is preferred.
	inOrder bool
	at      origin
}

// choice reads accelerators: one by its name, or several as a mapping from
// names to counts, as a set, or as a list, which alone has an order.
func (r *reader) choice(v value) choice {
	c := choice{at: origin{v.path, v.node.Line}}
	switch kind(v.node) {
	case "text":
		c.names = []string{r.expand(v, v.node.Value)}
	case "a mapping":
		r.dictionary(v, func(name string, item value) {
			// In a set, {A100:1, L4}, what looks like a key is the whole of it.
			if !isNull(item.node) {
				count, ok := r.scalar(item)
				if !ok {
					r.wrong(item, "a number of accelerators")
				}
				name += ":" + count
			}
			c.names = append(c.names, name)
		})
	case "a list":
		for _, item := range r.items(v) {
			var name string
			if r.text(&name)(item); name != "" {
				c.names = append(c.names, name)
			}
		}
		c.inOrder = len(c.names) > 1
	default:
		r.wrong(v, "the name of an accelerator, or several as a mapping or list")
		return c
	}
	if len(c.names) == 0 || slices.Contains(c.names, "") {
		r.fault(v, "It names no accelerator; write one, such as \"A100:8\", or leave it out.")
	}
	return c
}

// own gives the choice that an entry of any_of or ordered has of its own.
func (r *reader) own(item value) choice {
	if item.node.Kind != yaml.MappingNode {
		return choice{} // refused when the entry is read
	}
	// A reader of its own: the keys of the entry are judged when it is read.
	pairs := new(reader).pairs(item)
	i := slices.IndexFunc(pairs, hasKey("accelerators"))
	if i < 0 {
		return choice{}
	}
	return r.choice(item.child("accelerators", pairs[i].node))
}
