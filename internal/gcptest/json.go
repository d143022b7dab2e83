// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// write writes an answer, and says how it departs from the model if it does.
func (m *model) write(o *method, out fields) ([]byte, error) {
	if o.Response == nil {
		if len(out) > 0 {
			return nil, fmt.Errorf("the method answers nothing, but there is %v", out)
		}
		return nil, nil
	}
	value, err := m.encode(o.Response, "", out)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(value, "", "  ")
}

// encode makes JSON of what is answered.
func (m *model) encode(s *schema, path string, value any) (any, error) {
	s = m.resolve(s)
	switch s.Type {
	case "any":
		return value, nil
	case "object":
		return m.encodeObject(s, path, value)
	case "array":
		list := reflect.ValueOf(value)
		if list.Kind() != reflect.Slice {
			return nil, fmt.Errorf("%s is %v, which is no list", path, value)
		}
		out := make([]any, 0, list.Len())
		for i := range list.Len() {
			v, err := m.encode(s.Items, fmt.Sprintf("%s[%d]", path, i), list.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	return s.encodeScalar(path, value)
}

func (m *model) encodeObject(s *schema, path string, value any) (any, error) {
	object, ok := value.(fields)
	if !ok {
		words, ok := value.(map[string]string)
		if !ok {
			return nil, fmt.Errorf("%s is %v, which is no object", path, value)
		}
		object = fields{}
		for k, v := range words {
			object[k] = v
		}
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		p := s.Properties[name]
		if p == nil {
			p = s.Others
		}
		if p == nil && (len(s.Properties) > 0 || path == "") {
			return nil, fmt.Errorf("there is no field %s", cloudtest.Join(path, name))
		}
		v := object[name]
		if v == nil {
			continue
		}
		if p != nil {
			var err error
			if v, err = m.encode(p, cloudtest.Join(path, name), v); err != nil {
				return nil, err
			}
		}
		out[name] = v
	}
	return out, nil
}

// encodeScalar holds a value to the same that it is held to in requests.
func (s *schema) encodeScalar(path string, value any) (any, error) {
	var err error
	v := reflect.ValueOf(value)
	switch {
	case s.Type == "boolean" && v.Kind() == reflect.Bool:
		return value, nil
	case s.Type == "number" && (v.CanFloat() || v.CanInt()):
		return value, nil
	case s.Type == "integer" && v.CanInt():
		_, err = s.decodeNumber(path, strconv.FormatInt(v.Int(), 10))
		return value, err
	case s.Type != "string":
		return nil, fmt.Errorf("%s is %v, which is not of type %s", path, value, s.Type)
	case v.CanInt():
		value = strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	}
	if t, ok := value.(time.Time); ok {
		value = t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano) // as all of them have it
	}
	text, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("%s is %v, which is no text", path, value)
	}
	_, err = s.decodeText(path, text)
	return text, err
}
