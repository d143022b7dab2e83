// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// departure is an error of the caller that the model alone can tell.
type departure struct{ message string }

func (d *departure) Error() string { return d.message }

func depart(format string, args ...any) error {
	return &departure{message: fmt.Sprintf(format, args...)}
}

// parameters reads those of a request, in its path and after it. Every method has
// some that are the same for all.
func (m *model) parameters(o *method, path map[string]string, query url.Values) (fields, error) {
	out := fields{}
	for name, raw := range path {
		value, err := m.parameter(o.Parameters[name], name, raw)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		s := o.Parameters[name]
		if s == nil {
			s = m.general(name)
		}
		if s == nil || s.Location == "path" {
			return nil, depart("Invalid JSON payload received. Unknown name \"%s\": Cannot bind query parameter. "+
				"Field '%s' could not be found in request message.", name, name)
		}
		if len(query[name]) > 1 && !s.Repeated {
			return nil, depart("The parameter %s is given %d times", name, len(query[name]))
		}
		var list []any
		for _, raw := range query[name] {
			value, err := m.parameter(s, name, raw)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		out[name] = list[0]
		if s.Repeated {
			out[name] = list
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		if o.Parameters[name].Required && !out.Has(name) {
			return nil, depart("Required parameter is missing: %s", name)
		}
	}
	return out, nil
}

// general gives a parameter that every method has. The clients for Go name the format
// of answers in another way than the model does, which is a document of the interface
// that Google's servers have in front of all APIs.
func (m *model) general(name string) *schema {
	if name == "$alt" {
		return &schema{Type: "string", Location: "query", Enum: []string{"json", "json;enum-encoding=int"}}
	}
	return m.Parameters[name]
}

// parameter reads a value that came as text.
func (m *model) parameter(s *schema, name, raw string) (any, error) {
	if s == nil {
		return nil, depart("The parameter %s is in the path, but none of the method", name)
	}
	var value any = raw
	switch s.Type {
	case "integer", "number":
		value = json.Number(raw)
	case "boolean":
		// Google takes either case, of which its command line sends the upper one.
		b, err := strconv.ParseBool(strings.ToLower(raw))
		if err != nil || len(raw) < len("true") {
			return nil, depart("Invalid value for boolean parameter %s: '%s'", name, raw)
		}
		value = b
	}
	return m.decode(s, name, value, "")
}

// body reads the content of a request.
func (m *model) body(o *method, content []byte) (fields, error) {
	if o.Request == nil {
		if len(bytes.TrimSpace(content)) > 0 {
			return nil, depart("The method %s takes no content, but there is %q", o.ID, content)
		}
		return fields{}, nil
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, depart("Parse Error: %v", err)
	}
	read, err := m.decode(o.Request, "", value, o.ID)
	in, _ := read.(fields)
	return in, err
}

// resolve follows references.
func (m *model) resolve(s *schema) *schema {
	for s.Ref != "" {
		s = m.Schemas[s.Ref]
	}
	return s
}

// decode reads a value of a request for a method.
func (m *model) decode(s *schema, path string, value any, of string) (any, error) {
	s = m.resolve(s)
	if value == nil {
		return nil, nil
	}
	wrong := func(what string) error {
		return depart("Invalid value at '%s' (%s), %v", path, what, value)
	}
	switch s.Type {
	case "any":
		return value, nil
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return nil, wrong("an object")
		}
		return m.decodeObject(s, path, object, of)
	case "array":
		list, ok := value.([]any)
		if !ok {
			return nil, wrong("a list")
		}
		out := make([]any, 0, len(list))
		for i, v := range list {
			read, err := m.decode(s.Items, fmt.Sprintf("%s[%d]", path, i), v, of)
			if err != nil {
				return nil, err
			}
			out = append(out, read)
		}
		return out, nil
	case "boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, wrong("TYPE_BOOL")
	case "string":
		if text, ok := value.(string); ok {
			return s.decodeText(path, text)
		}
		return nil, wrong("TYPE_STRING")
	}
	if n, ok := value.(json.Number); ok {
		return s.decodeNumber(path, n.String())
	}
	return nil, wrong("a number")
}

func (m *model) decodeObject(s *schema, path string, object map[string]any, of string) (any, error) {
	out := fields{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		p := s.Properties[name]
		if p == nil {
			p = s.Others
		}
		if p == nil && (len(s.Properties) > 0 || path == "") {
			return nil, depart("Invalid JSON payload received. Unknown name \"%s\" at '%s': Cannot find field.", name, path)
		}
		if p == nil {
			out[name] = object[name] // of a structure that may be any
			continue
		}
		if m.resolve(p).output() || p.output() {
			return nil, depart("The field '%s' is only for output", cloudtest.Join(path, name))
		}
		value, err := m.decode(p, cloudtest.Join(path, name), object[name], of)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	for name, p := range s.Properties {
		if slices.Contains(p.Annotations.Required, of) && !out.Has(name) {
			return nil, depart("Required field '%s' not specified", cloudtest.Join("resource", cloudtest.Join(path, name)))
		}
	}
	return out, nil
}

// decodeText reads a text, which may be of a number that is too large for JSON.
func (s *schema) decodeText(path, text string) (any, error) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return nil, depart("Invalid value at '%s': \"%s\" is none of %s", path, text, strings.Join(s.Enum, ", "))
	}
	if s.Pattern != "" {
		if r := s.matches(); r != nil && !r.MatchString(text) {
			return nil, depart("Invalid value for field '%s': '%s'. Must be a match of regex '%s'", path, text, s.Pattern)
		}
	}
	switch s.Format {
	case "int64", "uint64":
		return s.decodeNumber(path, text)
	}
	if !s.formed(text) {
		return nil, depart("Invalid value at '%s' (%s), \"%s\"", path, s.Format, text)
	}
	return text, nil
}

// formed reports whether a text is as its format has it.
func (s *schema) formed(text string) bool {
	var err error
	switch s.Format {
	case "byte":
		_, err = base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(text))
	case "date-time", "google-datetime":
		_, err = time.Parse(time.RFC3339, text)
	case "date":
		_, err = time.Parse(time.DateOnly, text)
	case "google-duration":
		return regexp.MustCompile(`^-?\d+(\.\d{1,9})?s$`).MatchString(text)
	}
	return err == nil
}

func (s *schema) decodeNumber(path, raw string) (any, error) {
	if s.Type == "number" {
		x, err := strconv.ParseFloat(raw, 64)
		if err != nil || math.IsNaN(x) {
			return nil, depart("Invalid value at '%s' (TYPE_DOUBLE), \"%s\"", path, raw)
		}
		return x, nil
	}
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	switch s.Format {
	case "int32":
		least, most = math.MinInt32, math.MaxInt32
	case "uint32":
		least, most = 0, math.MaxUint32
	case "uint64":
		least = 0
	}
	if s.Minimum != "" {
		least, _ = strconv.ParseInt(s.Minimum, 10, 64) // Google's own numbers are good ones
	}
	if s.Maximum != "" {
		most, _ = strconv.ParseInt(s.Maximum, 10, 64)
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < least || n > most {
		return nil, depart("Invalid value at '%s' (%s between %d and %d), \"%s\"", path, s.Format, least, most, raw)
	}
	return n, nil
}
