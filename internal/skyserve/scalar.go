// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// text reads a string.
func (r *reader) text(into *string) func(value) {
	return func(v value) {
		if kind(v.node) != "text" {
			r.wrong(v, "text, within quotes if need be")
			return
		}
		*into = r.expand(v, v.node.Value)
	}
}

// number reads an integer or a fraction.
func (r *reader) number(into *float64) func(value) {
	return func(v value) {
		if kind(v.node) != "a number" || v.node.Decode(into) != nil {
			r.wrong(v, "a number")
		}
	}
}

// positive reads a number for which 0 would mean that it was left out.
func (r *reader) positive(into *float64) func(value) {
	return func(v value) {
		r.number(into)(v)
		if kind(v.node) == "a number" && *into == 0 {
			r.fault(v, "It is 0; it must be more.")
		}
	}
}

// whole reads an integer.
func (r *reader) whole(into *int) func(value) {
	return func(v value) {
		if v.node.Tag != "!!int" || v.node.Decode(into) != nil {
			r.wrong(v, "a whole number")
		}
	}
}

// flag reads true or false, also in the words of YAML 1.1, which SkyServe reads.
func (r *reader) flag(into *bool) func(value) {
	return func(v value) {
		word := strings.ToLower(v.node.Value)
		switch {
		case v.node.Tag == "!!bool":
			*into = word == "true"
		case kind(v.node) == "text" && v.node.Style == 0 && slices.Contains([]string{"yes", "on", "no", "off"}, word):
			*into = word == "yes" || word == "on"
		default:
			r.wrong(v, "true or false")
		}
	}
}

// optional reads true or false into a pointer that stays nil otherwise.
func (r *reader) optional(into **bool) func(value) {
	return func(v value) {
		before := len(r.faults)
		var b bool
		if r.flag(&b)(v); len(r.faults) == before {
			*into = &b
		}
	}
}

// amount reads a number, or text such as "4+" whose meaning the domain knows.
func (r *reader) amount(into *string) func(value) {
	return func(v value) {
		s, ok := r.scalar(v)
		switch {
		case !ok:
			r.wrong(v, "a number or text")
		case s == "":
			r.fault(v, "It is empty; write an amount or leave it out.")
		default:
			*into = s
		}
	}
}

// scalar gives text as it is, and a number in its plainest form.
func (r *reader) scalar(v value) (s string, ok bool) {
	switch kind(v.node) {
	case "text":
		return r.expand(v, v.node.Value), true
	case "a number":
		var f float64
		if v.node.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return v.node.Value, true
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	default:
		return "", false
	}
}

// texts reads a mapping of text to text.
func (r *reader) texts(into *map[string]string) func(value) {
	return func(v value) {
		r.dictionary(v, func(key string, item value) {
			var s string
			r.text(&s)(item)
			set(into, key, s)
		})
	}
}

func set(m *map[string]string, key, s string) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[key] = s
}

// variables reads envs or secrets: the values are what is written, of whatever
// type YAML takes it for.
func (r *reader) variables(into *map[string]string) func(value) {
	return func(v value) {
		r.dictionary(v, func(key string, item value) {
			switch {
			case isNull(item.node):
				r.fault(item, "The variable has no value; write one, or \"\" for an empty one.")
			case item.node.Kind != yaml.ScalarNode:
				r.wrong(item, "text, a number, true or false")
			default:
				set(into, key, item.node.Value)
			}
		})
	}
}
