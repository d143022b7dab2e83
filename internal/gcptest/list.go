// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// listed answers a list as the parameters of every list have it: filtered, in order,
// and a page of it.
func listed[T any](c *call, kind, schema string, things []T, describe func(T) fields) (fields, error) {
	all := make([]fields, 0, len(things))
	for _, t := range things {
		all = append(all, describe(t))
	}
	page, next, err := c.page(schema, all)
	if err != nil {
		return nil, err
	}
	out := fields{
		"kind": kind, "id": strings.TrimPrefix(strings.TrimPrefix(c.request.URL.Path, "/"), "compute/v1/"),
		"selfLink": "https://www.googleapis.com" + c.request.URL.Path, "nextPageToken": cloudtest.OrNil(next),
	}
	if len(page) > 0 {
		out["items"] = page
	}
	return out, nil
}

// aggregated answers a list over all zones, each with what it has of the page, or with
// a warning that there is nothing, or that nobody knows.
func aggregated[T any](c *call, kind, schema, name string, things []T, zone func(T) string, describe func(T) fields) (fields, error) {
	var all []fields
	things = slices.DeleteFunc(slices.Clone(things), func(t T) bool { return c.lost[zone(t)] })
	for _, t := range things {
		all = append(all, describe(t))
	}
	out, err := listed(c, kind, schema, all, func(f fields) fields { return f })
	if err != nil {
		return nil, err
	}
	where := map[string]string{} // by the links of things
	for i, t := range things {
		where[all[i].Text("selfLink")] = zone(t)
	}
	page, _ := out["items"].([]fields)
	items := fields{}
	var lost []string
	for _, z := range zoneNames() {
		var here []fields
		for _, f := range page {
			if where[f.Text("selfLink")] == z {
				here = append(here, f)
			}
		}
		if len(here) > 0 {
			items["zones/"+z] = fields{name: here}
			continue
		}
		code, message := "NO_RESULTS_ON_PAGE", "There are no results for scope 'zones/"+z+"' on this page."
		if c.lost[z] {
			code, message = "UNREACHABLE", "The scope 'zones/"+z+"' is not reachable."
			lost = append(lost, "projects/"+Project+"/zones/"+z)
		}
		items["zones/"+z] = fields{"warning": fields{
			"code": code, "message": message, "data": []fields{{"key": "scope", "value": "zones/" + z}},
		}}
	}
	if len(lost) > 0 {
		out["unreachables"] = lost
	}
	out["items"] = items
	return out, nil
}

// page gives the part of a list that is asked for, and the token of the next one.
// Compute Engine gives as many as are asked for at most, and sometimes fewer.
func (c *call) page(schema string, all []fields) ([]fields, string, error) {
	if text := c.param("filter"); text != "" {
		f, err := parseFilter(text, func(field string) bool { return c.service.model.knows(schema, strings.Split(field, ".")) })
		if err != nil {
			return nil, "", invalid("Invalid value for field 'filter': '%s'. Invalid list filter expression: %v.", text, err)
		}
		all = slices.DeleteFunc(all, func(thing fields) bool { return !f(thing) })
	}
	// The name, and what else tells things in several places apart.
	rank := func(f fields) string { return f.Text("name") + " " + f.Text("selfLink") }
	switch order := c.param("orderBy"); order {
	case "", "name":
		slices.SortStableFunc(all, func(a, b fields) int { return strings.Compare(rank(a), rank(b)) })
	case "creationTimestamp desc":
		// Things are kept in the order in which they were made.
		slices.Reverse(all)
		place := map[string]string{}
		for i, f := range all {
			place[f.Text("selfLink")] = fmt.Sprintf("%09d", i)
		}
		rank = func(f fields) string { return place[f.Text("selfLink")] }
	default:
		return nil, "", invalid("Invalid value for field 'orderBy': '%s'.", order)
	}
	if token := c.param("pageToken"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		from, ours := strings.CutPrefix(string(raw), "from ")
		if err != nil || !ours {
			return nil, "", invalid("Invalid value for field 'pageToken': '%s'. The page token is invalid.", token)
		}
		all = slices.DeleteFunc(all, func(f fields) bool { return rank(f) < from })
	}
	most := c.parameters.Number("maxResults", 500)
	if most == 0 || most > 500 {
		most = 500
	}
	if len(all) > 1 && c.random.IntN(2) == 0 {
		most = min(most, 1+c.random.IntN(len(all)))
	}
	if len(all) <= most {
		return all, "", nil
	}
	return all[:most], base64.StdEncoding.EncodeToString([]byte("from " + rank(all[most]))), nil
}

// knows reports whether something of a schema can have a field of a field, and so on.
func (m *model) knows(name string, path []string) bool {
	s := m.Schemas[name]
	for _, part := range path {
		for s = m.resolve(s); s.Type == "array"; {
			s = m.resolve(s.Items)
		}
		if s.Others != nil && len(s.Properties) == 0 {
			return true // whatever its name is
		}
		if s = s.Properties[part]; s == nil {
			return false
		}
	}
	return true
}

// find gives the first thing that is so, or nil.
func find[T any](list []*T, is func(*T) bool) *T {
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return nil
	}
	return list[i]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
