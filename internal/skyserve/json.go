// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// JSON gives a YAML document as JSON, for documents that hold a service YAML
// within them. A mapping under one of the verbatim keys, at any depth, becomes a
// string with its YAML text, for [Parse]; what is no mapping there stays as it is.
func JSON(data []byte, verbatim ...string) ([]byte, error) {
	root, err := load(data)
	if err != nil {
		return nil, err
	}
	v, err := plainValue(root, verbatim)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// plainValue gives the value of a node in the types that JSON has.
func plainValue(node *yaml.Node, verbatim []string) (any, error) {
	node = follow(node)
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, child := node.Content[i], follow(node.Content[i+1])
			v, err := plainValue(child, verbatim)
			if child.Kind == yaml.MappingNode && slices.Contains(verbatim, key.Value) {
				var text []byte
				text, err = yaml.Marshal(child)
				v = string(text)
			}
			if err != nil {
				return nil, err
			}
			if _, twice := object[key.Value]; twice {
				return nil, broken("line %d: there are two keys %q in one mapping", key.Line, key.Value)
			}
			object[key.Value] = v
		}
		return object, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, child := range node.Content {
			v, err := plainValue(child, verbatim)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	default:
		var v any
		if err := node.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", node.Line, err)
		}
		return v, nil
	}
}
