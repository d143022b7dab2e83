// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// facets is what a thing can be filtered by, and the values it has there. A
// filter is known if the thing has the facet, even without a value.
type facets map[string][]string

// tagFacets adds what every thing with tags can be filtered by.
func (f facets) tagged(tags map[string]string) facets {
	f["tag-key"] = sortedKeys(tags)
	f["tag-value"] = nil
	for k, v := range tags {
		f["tag:"+k] = []string{v}
	}
	return f
}

// picked reports whether a thing passes all filters: each by any of its values,
// in which * and ? stand for more.
func (f facets) picked(filters []fields) (bool, error) {
	all := true
	for _, filter := range filters {
		name, values := filter.Text("Name"), filter.Texts("Values")
		have, known := f[name]
		if !known && !strings.HasPrefix(name, "tag:") {
			return false, invalid("The filter '%s' is invalid", name)
		}
		if len(values) == 0 {
			return false, invalid("The filter '%s' has no values", name)
		}
		if len(values) > 200 {
			return false, refusal(400, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
		}
		all = all && slices.ContainsFunc(have, func(v string) bool {
			return slices.ContainsFunc(values, func(pattern string) bool { return wild(pattern, v) })
		})
	}
	return all, nil
}

// wild matches as EC2 does, where a slash is a character like any other.
func wild(pattern, value string) bool {
	if pattern == value || !strings.ContainsAny(pattern, "*?\\") {
		return pattern == value
	}
	flat := strings.NewReplacer("/", "\x00", "[", "\\[")
	ok, err := path.Match(flat.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
	return err == nil && ok
}

// pick gives the things that pass the filters. With none at all to look at, the
// filters are still held against what such a thing could be filtered by.
func pick[T any](list []T, filters []fields, of func(T) facets) ([]T, error) {
	var out []T
	for _, thing := range list {
		ok, err := of(thing).picked(filters)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, thing)
		}
	}
	return out, nil
}

// page gives the part of a list that a request asks for, and the token that the
// next part is asked for with. Without MaxResults all of it is given. The rank of
// a thing is its place in a list that only grows, so that nothing is left out or
// given twice when something changes between two pages; nil takes the place in
// the list at hand.
func page[T any](list []T, in fields, least, most int, rank func(T) int) ([]T, any, error) {
	place := func(at int) int {
		if rank == nil {
			return at
		}
		return rank(list[at])
	}
	start := 0
	if token := in.Text("NextToken"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		text, ours := strings.CutPrefix(string(raw), "from ")
		from, numberErr := strconv.Atoi(text)
		if err != nil || !ours || numberErr != nil {
			return nil, nil, refusal(400, "InvalidNextToken", "The token '%s' is invalid", token)
		}
		for start < len(list) && place(start) < from {
			start++
		}
	}
	if !in.Has("MaxResults") {
		return list[start:], nil, nil
	}
	n := in.Number("MaxResults", 0)
	if n < least || n > most {
		return nil, nil, invalid("Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", n, least, most)
	}
	end := min(start+n, len(list))
	if end == len(list) {
		return list[start:], nil, nil
	}
	return list[start:end], base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "from %d", place(end))), nil
}

// require finds everything that is asked for by name, or says what is missing.
func require[T any](list []T, names []string, name func(T) string, absent func(string) error) ([]T, error) {
	if len(names) == 0 {
		return list, nil
	}
	var out []T
	for _, n := range names {
		i := slices.IndexFunc(list, func(t T) bool { return name(t) == n })
		if i < 0 {
			return nil, absent(n)
		}
		out = append(out, list[i])
	}
	return out, nil
}
