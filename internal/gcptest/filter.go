// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// filter says which things are asked for, in the language of the parameter of that
// name: comparisons in parentheses or not, all of which must hold if nothing else is
// said.
type filter func(thing fields) bool

// parser reads a filter.
type parser struct {
	rest  string
	known func(field string) bool // whether a thing can have a field
	style string                  // eq or =, which are not to be mixed
}

// parseFilter understands a filter. Fields that things cannot have are refused.
func parseFilter(text string, known func(field string) bool) (filter, error) {
	p := &parser{rest: text, known: known}
	f, err := p.all()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("there is %q too much", p.rest)
	}
	return f, err
}

// all reads comparisons up to the end, or a parenthesis. OR joins two neighbours.
func (p *parser) all() (filter, error) {
	var groups [][]filter // all of which must hold, each by one of its own
	or := false
	for {
		p.rest = strings.TrimSpace(p.rest)
		switch {
		case p.rest == "" || p.rest[0] == ')':
			if or {
				return nil, errors.New("after OR there is nothing")
			}
			return func(thing fields) bool {
				for _, group := range groups {
					holds := false
					for _, f := range group {
						holds = holds || f(thing)
					}
					if !holds {
						return false
					}
				}
				return true
			}, nil
		case p.word("AND"):
			continue
		case p.word("OR"):
			or = len(groups) > 0
			continue
		}
		f, err := p.one()
		if err != nil {
			return nil, err
		}
		if or {
			groups[len(groups)-1] = append(groups[len(groups)-1], f)
		} else {
			groups = append(groups, []filter{f})
		}
		or = false
	}
}

// word reads a word if it is there.
func (p *parser) word(w string) bool {
	rest, ok := strings.CutPrefix(p.rest, w)
	if ok && (rest == "" || rest[0] == ' ' || rest[0] == '(') {
		p.rest = strings.TrimSpace(rest)
		return true
	}
	return false
}

// one reads one comparison, or what is in parentheses.
func (p *parser) one() (filter, error) {
	if p.word("NOT") || len(p.rest) > 1 && p.rest[0] == '-' {
		p.rest = strings.TrimPrefix(p.rest, "-")
		f, err := p.one()
		return func(thing fields) bool { return !f(thing) }, err
	}
	if p.rest[0] != '(' {
		return p.comparison()
	}
	p.rest = p.rest[1:]
	f, err := p.all()
	if err == nil && (p.rest == "" || p.rest[0] != ')') {
		err = errors.New("a parenthesis is not closed")
	}
	if err == nil {
		p.rest = p.rest[1:]
	}
	return f, err
}

func (p *parser) comparison() (filter, error) {
	parts := regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.-]*)\s*(!=|<=|>=|=|<|>|:|\beq\b|\bne\b)\s*`).FindStringSubmatch(p.rest)
	if parts == nil {
		return nil, fmt.Errorf("%q is no comparison", p.rest)
	}
	p.rest = p.rest[len(parts[0]):]
	field, operator := parts[1], parts[2]
	if !p.known(field) {
		return nil, fmt.Errorf("there is no field %q", field)
	}
	style := "="
	if operator == "eq" || operator == "ne" {
		style = "eq"
	}
	if p.style != "" && p.style != style {
		return nil, errors.New("regular expressions cannot be mixed with others")
	}
	p.style = style
	value, err := p.value(style == "eq")
	if err != nil {
		return nil, err
	}
	matches, err := comparing(operator, value)
	return func(thing fields) bool {
		negative := operator == "ne" || operator == "!="
		return slices.ContainsFunc(lookUp(thing, strings.Split(field, ".")), matches) != negative
	}, err
}

// value reads what is compared with, which may be quoted. A regular expression may have
// parentheses of its own.
func (p *parser) value(expression bool) (string, error) {
	if p.rest == "" {
		return "", errors.New("it is compared with nothing")
	}
	if quote := p.rest[:1]; quote == `"` || quote == "'" {
		value, rest, ok := strings.Cut(p.rest[1:], quote)
		if !ok {
			return "", errors.New("a quote is not closed")
		}
		p.rest = rest
		return value, nil
	}
	end, depth := 0, 0
	for ; end < len(p.rest); end++ {
		switch b := p.rest[end]; {
		case b == '(' && expression:
			depth++
			continue
		case b == ')' && depth > 0:
			depth--
			continue
		case b == ')', b == ' ' && !expression:
		default:
			continue
		}
		break
	}
	value := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end:]
	return value, nil
}

// comparing gives what a text must be.
func comparing(operator, value string) (func(string) bool, error) {
	switch operator {
	case "eq", "ne":
		r, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return nil, err
		}
		return r.MatchString, nil
	case "=", "!=":
		return func(have string) bool { return have == value }, nil
	case ":":
		return func(have string) bool { return value == "*" || strings.Contains(have, value) }, nil
	}
	return func(have string) bool {
		order := strings.Compare(have, value)
		a, errA := strconv.ParseFloat(have, 64)
		if b, errB := strconv.ParseFloat(value, 64); errA == nil && errB == nil {
			order = int(a - b)
		}
		switch operator {
		case "<":
			return order < 0
		case "<=":
			return order <= 0
		case ">":
			return order > 0
		}
		return order >= 0
	}, nil
}

// lookUp gives the values of a field of a field, and so on: all of them, in lists.
func lookUp(thing any, path []string) []string {
	v := reflect.ValueOf(thing)
	switch {
	case thing == nil:
		return nil
	case v.Kind() == reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, lookUp(v.Index(i).Interface(), path)...)
		}
		return out
	case len(path) == 0 && v.Kind() != reflect.Map:
		return []string{fmt.Sprint(thing)}
	case len(path) > 0 && v.Kind() == reflect.Map:
		found := v.MapIndex(reflect.ValueOf(path[0]))
		if !found.IsValid() {
			return nil
		}
		return lookUp(found.Interface(), path[1:])
	}
	return nil
}
