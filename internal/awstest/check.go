// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// fault says how a request departs from the model. Each protocol has an error
// code of its own for it.
type fault int

const (
	unknown  fault = iota + 1 // a parameter that the model lacks
	missing                   // one that it requires
	mistyped                  // one that is not of its type
	outside                   // one whose value is not allowed
)

// departure is an error of the caller that the model alone can tell.
type departure struct {
	fault   fault
	path    string
	message string
}

func (d *departure) Error() string { return d.message }

func depart(f fault, path, format string, args ...any) *departure {
	return &departure{fault: f, path: path, message: fmt.Sprintf(format, args...)}
}

// scalar reads a value that came as text.
func (s *shape) scalar(path, raw string) (any, error) {
	wrong := func(kind string) error {
		return depart(mistyped, path, "Value (%s) for parameter %s is invalid. It must be %s", raw, path, kind)
	}
	switch s.Type {
	case "string":
		return raw, nil
	case "integer", "long":
		bits := map[string]int{"integer": 32, "long": 64}[s.Type]
		n, err := strconv.ParseInt(raw, 10, bits)
		if err != nil {
			return nil, wrong("an integer")
		}
		return n, nil
	case "float", "double":
		x, err := strconv.ParseFloat(raw, 64)
		if err != nil || math.IsNaN(x) {
			return nil, wrong("a number")
		}
		return x, nil
	case "boolean":
		// EC2 takes either case, and the SDKs send lower case.
		switch strings.ToLower(raw) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, wrong("true or false")
	case "timestamp":
		t, err := time.Parse(time.RFC3339, raw)
		if err != nil {
			return nil, wrong("a time like 2026-01-02T15:04:05Z")
		}
		return t, nil
	case "blob":
		b, err := base64.StdEncoding.DecodeString(raw)
		if err != nil {
			return nil, wrong("base64")
		}
		return b, nil
	}
	return nil, wrong("a " + s.Type)
}

// constrain holds a value that has its type already to everything else that the
// model asks of it.
func (m *model) constrain(name, path string, value any) error {
	s := m.Shapes[name]
	switch v := value.(type) {
	case fields:
		return m.constrainMembers(s, path, v)
	case []any:
		if err := s.within(path, float64(len(v)), "length"); err != nil {
			return err
		}
		for i, e := range v {
			if err := m.constrain(s.Member.Shape, fmt.Sprintf("%s.%d", path, i+1), e); err != nil {
				return err
			}
		}
	case int64:
		return s.within(path, float64(v), "value")
	case float64:
		return s.within(path, v, "value")
	case []byte:
		return s.within(path, float64(len(v)), "length")
	case string:
		return s.constrainText(path, v)
	}
	return nil
}

func (m *model) constrainMembers(s *shape, path string, value fields) error {
	for _, name := range s.Required {
		if !value.Has(name) {
			return depart(missing, cloudtest.Join(path, name), "The request must contain the parameter %s", cloudtest.Join(path, name))
		}
	}
	for _, name := range sortedKeys(s.Members) {
		if value.Has(name) {
			if err := m.constrain(s.Members[name].Shape, cloudtest.Join(path, name), value[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shape) constrainText(path, v string) error {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return depart(outside, path, "Value (%s) for parameter %s is invalid. It must be one of %s", v, path, strings.Join(s.Enum, ", "))
	}
	if err := s.within(path, float64(utf8.RuneCountInString(v)), "length"); err != nil {
		return err
	}
	if s.Pattern == "" {
		return nil
	}
	if r := s.matches(); r != nil && !r.MatchString(v) {
		return depart(outside, path, "Value (%s) for parameter %s is invalid. It must match %s", v, path, s.Pattern)
	}
	return nil
}

func (s *shape) within(path string, n float64, what string) error {
	if s.Min != nil && n < *s.Min {
		return depart(outside, path, "The %s of parameter %s is %v. It must be at least %v", what, path, n, *s.Min)
	}
	if s.Max != nil && n > *s.Max {
		return depart(outside, path, "The %s of parameter %s is %v. It must be at most %v", what, path, n, *s.Max)
	}
	return nil
}
