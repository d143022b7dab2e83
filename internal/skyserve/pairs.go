// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// pair is one line of a mapping; at is where its key stands.
type pair struct {
	key      string
	at, node *yaml.Node
}

// pairs gives what the mapping v consists of, with what is merged into it by
// "<<". A value of null is as good as none at the outer levels, where SkyServe
// drops it.
func (r *reader) pairs(v value) []pair {
	if v.node.Kind != yaml.MappingNode {
		r.wrong(v, "a mapping")
		return nil
	}
	var own, merged []pair
	for i := 0; i < len(v.node.Content); i += 2 {
		key, node := follow(v.node.Content[i]), follow(v.node.Content[i+1])
		switch first := slices.IndexFunc(own, hasKey(key.Value)); {
		case key.Tag == "!!merge":
			merged = append(merged, r.merged(v, node)...)
		case first >= 0:
			r.fault(v.child(key.Value, v.node.Content[i]), "The key %q is there twice, first on line %d; keep one of them.", key.Value, own[first].at.Line)
		default:
			own = append(own, pair{key.Value, v.node.Content[i], node})
		}
	}
	for _, p := range merged {
		if !slices.ContainsFunc(own, hasKey(p.key)) {
			own = append(own, p)
		}
	}
	if v.dropsNull() {
		own = slices.DeleteFunc(own, func(p pair) bool { return isNull(p.node) })
	}
	return own
}

// merged gives the pairs of the mapping, or of the mappings of the list, that
// stands behind "<<".
func (r *reader) merged(v value, node *yaml.Node) []pair {
	if node.Kind != yaml.SequenceNode {
		v.node = node
		return r.pairs(v)
	}
	var all []pair
	for _, n := range node.Content {
		v.node = follow(n)
		all = append(all, r.pairs(v)...)
	}
	return all
}

// dropsNull reports whether v is one of the levels at which a key without a
// value counts as left out.
func (v value) dropsNull() bool {
	return slices.Contains([]string{"", "service", "resources"}, v.path)
}

func hasKey(key string) func(pair) bool { return func(p pair) bool { return p.key == key } }

// follow gives the node that n stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kind says what a node is, in words.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	default:
		return "text"
	}
}
