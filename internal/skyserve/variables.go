// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import "strings"

// expand puts the values of variables in for $NAME and ${NAME}, where v is in a
// part of the file that has variables. What follows no rule stays as it is.
func (r *reader) expand(v value, s string) string {
	if !v.expands {
		return s
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, rest := variable(after)
		switch replacement, ok := r.envs[name]; {
		case ok:
			out.WriteString(replacement)
		default:
			if _, secret := r.secrets[name]; secret {
				r.fault(v, "It refers to the secret %q, and would be stored and shown with it; move the variable to envs if that may be, or do without.", name)
			}
			out.WriteString("$" + after[:len(after)-len(rest)])
		}
		s = rest
	}
}

// variable reads "NAME" or "{NAME}" at the beginning of s, and gives what is
// left. Without a name there is nothing to read.
func variable(s string) (name, rest string) {
	inner, braced := strings.CutPrefix(s, "{")
	end := 0
	for end < len(inner) && isNameByte(inner[end], end == 0) {
		end++
	}
	if !braced {
		return inner[:end], inner[end:]
	}
	if rest, closed := strings.CutPrefix(inner[end:], "}"); closed {
		return inner[:end], rest
	}
	return "", s
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}
