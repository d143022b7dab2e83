// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// place is where something is in a configuration: the names of attributes
// (string), indices into lists (int) and keys of maps (key).
type place []any

// key is a step into a map.
type key string

// parsePlace reads a path of the domain, such as resources.any_of[1].use_spot or
// envs["A"], and translates the few names that differ: what a spec holds as the
// content of a file is the path of that file here, and secrets are write-only.
func parsePlace(domain string) place {
	p := place{}
	for rest := domain; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "["):
			step, tail := parseIndex(rest)
			p, rest = append(p, step), tail
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			p, rest = append(p, rest[:end]), rest[end:]
		}
	}
	if len(p) == 0 {
		return p
	}
	switch {
	case p[0] == "secrets":
		p[0] = "secrets_wo"
	case p[0] == "tls" && len(p) > 1 && p[1] == "certificate":
		p[1] = "certfile"
	case p[0] == "tls" && len(p) > 1 && p[1] == "key":
		p[1] = "keyfile"
	}
	return p
}

// parseIndex reads [3] or ["quoted \"key\""] and gives what follows it.
func parseIndex(s string) (step any, tail string) {
	if quoted, err := strconv.QuotedPrefix(s[1:]); err == nil {
		name, _ := strconv.Unquote(quoted)
		return key(name), strings.TrimPrefix(s[1+len(quoted):], "]")
	}
	number, tail, _ := strings.Cut(s[1:], "]")
	i, err := strconv.Atoi(number)
	if err != nil {
		return key(number), tail
	}
	return i, tail
}

// placeOf gives the place of a value that Terraform names by p.
func placeOf(p *tftypes.AttributePath) place {
	var out place
	for _, s := range p.Steps() {
		switch s := s.(type) {
		case tftypes.AttributeName:
			out = append(out, string(s))
		case tftypes.ElementKeyInt:
			out = append(out, int(s))
		case tftypes.ElementKeyString:
			out = append(out, key(s))
		}
	}
	return out
}

// touches reports whether one of the two places holds the other, or both are the
// same.
func (p place) touches(other place) bool {
	n := min(len(p), len(other))
	return slices.EqualFunc(p[:n], other[:n], func(a, b any) bool {
		// An attribute of a dynamic type is an object to Terraform where the domain
		// has a map: a name and a key are the same step then.
		return a == b || asText(a) != "" && asText(a) == asText(b)
	})
}

func asText(step any) string {
	switch s := step.(type) {
	case string:
		return s
	case key:
		return string(s)
	default:
		return ""
	}
}

// attribute gives the path for a diagnostic, as far as Terraform can follow it.
func (p place) attribute() path.Path {
	out := path.Empty()
	for _, step := range p {
		switch s := step.(type) {
		case string:
			out = out.AtName(s)
		case int:
			out = out.AtListIndex(s)
		case key:
			if isDynamic(p) {
				return out
			}
			out = out.AtMapKey(string(s))
		}
	}
	return out
}

// isDynamic reports whether p leads into an attribute of a dynamic type, of
// which Terraform knows no parts.
func isDynamic(p place) bool {
	return len(p) > 1 && p[0] == "replica_policy" && p[1] == "target_qps_per_replica"
}

// unknowns gives the places of everything in a configuration that is not known
// yet.
func unknowns(config tftypes.Value) ([]place, error) {
	var all []place
	err := tftypes.Walk(config, func(p *tftypes.AttributePath, v tftypes.Value) (bool, error) {
		if !v.IsKnown() {
			all = append(all, placeOf(p))
		}
		return true, nil
	})
	return all, err
}

// decidable drops the errors that may go away when what is unknown becomes
// known.
func decidable(errs serve.FieldErrors, unknown []place) serve.FieldErrors {
	return slices.DeleteFunc(errs, func(e serve.FieldError) bool {
		return slices.ContainsFunc(append([]string{e.Path}, e.Related...), func(domain string) bool {
			p := parsePlace(domain)
			return slices.ContainsFunc(unknown, p.touches)
		})
	})
}
