// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// jsonProtocol is what SSM, Pricing and Service Quotas speak: JSON both ways,
// and the action in a header.
type jsonProtocol struct{}

func (p jsonProtocol) action(m *model, r *http.Request, body []byte) (string, any, error) {
	prefix, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if prefix != m.Metadata.TargetPrefix {
		return action, nil, depart(outside, "X-Amz-Target", "The target is %s, not %q", m.Metadata.TargetPrefix, prefix)
	}
	if kind := r.Header.Get("Content-Type"); kind != "application/x-amz-json-1.1" {
		return action, nil, depart(outside, "Content-Type", "The content is of type %q", kind)
	}
	var content any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&content); err != nil {
		return action, nil, depart(mistyped, "", "The request is not JSON: %v", err)
	}
	return action, content, nil
}

func (p jsonProtocol) decode(m *model, shape string, content any) (fields, error) {
	v, err := p.value(m, shape, "", content)
	if err != nil {
		return nil, err
	}
	f, _ := v.(fields)
	return f, nil
}

func (p jsonProtocol) value(m *model, shape, path string, content any) (any, error) {
	s := m.Shapes[shape]
	switch v := content.(type) {
	case map[string]any:
		if s.Type == "structure" {
			return p.structure(m, s, path, v)
		}
	case []any:
		if s.Type == "list" {
			return p.list(m, s, path, v)
		}
	case string:
		if s.Type == "string" || s.Type == "blob" {
			return s.scalar(path, v)
		}
	case json.Number:
		if s.Type == "timestamp" {
			seconds, err := v.Float64()
			return time.UnixMilli(int64(seconds * 1000)), err
		}
		if s.Type != "string" && s.Type != "blob" && s.Type != "boolean" {
			return s.scalar(path, v.String())
		}
	case bool:
		if s.Type == "boolean" {
			return v, nil
		}
	}
	return nil, depart(mistyped, path, "%s must be a %s, not %v", path, s.Type, content)
}

func (p jsonProtocol) list(m *model, s *shape, path string, content []any) ([]any, error) {
	out := make([]any, 0, len(content))
	for i, e := range content {
		x, err := p.value(m, s.Member.Shape, fmt.Sprintf("%s.%d", path, i+1), e)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (p jsonProtocol) structure(m *model, s *shape, path string, content map[string]any) (fields, error) {
	out := fields{}
	for name, v := range content {
		r, ok := s.Members[name]
		if !ok {
			return nil, depart(unknown, cloudtest.Join(path, name), "The member %s is not recognized", cloudtest.Join(path, name))
		}
		if v == nil {
			continue
		}
		x, err := p.value(m, r.Shape, cloudtest.Join(path, name), v)
		if err != nil {
			return nil, err
		}
		out[name] = x
	}
	return out, nil
}

func (p jsonProtocol) answer(m *model, action, _ string, out fields) (cloudtest.Answer, error) {
	content := any(struct{}{})
	if shape := m.Operations[action].Output; shape != nil {
		v, err := p.write(m, shape.Shape, action, out)
		if err != nil {
			return cloudtest.Answer{}, err
		}
		content = v
	}
	body, err := json.Marshal(content)
	if err != nil {
		return cloudtest.Answer{}, broken(action, "%v", err)
	}
	return cloudtest.Said(http.StatusOK, "application/x-amz-json-1.1", body), nil
}

// write makes what encoding/json takes of an answer.
func (p jsonProtocol) write(m *model, shape, path string, value any) (any, error) {
	s := m.Shapes[shape]
	switch s.Type {
	case "structure":
		f, ok := value.(fields)
		if !ok {
			return nil, broken(path, "%s is a structure, not %T", shape, value)
		}
		return p.writeMembers(m, shape, path, f)
	case "list":
		list := reflect.ValueOf(value)
		if list.Kind() != reflect.Slice {
			return nil, broken(path, "%s is a list, not %T", shape, value)
		}
		out := make([]any, 0, list.Len())
		for i := range list.Len() {
			v, err := p.write(m, s.Member.Shape, path, list.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case "timestamp":
		if t, ok := value.(time.Time); ok {
			return json.Number(fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000)), nil
		}
	}
	text, err := s.write(path, value)
	if err != nil || s.Type == "string" || s.Type == "blob" {
		return text, err
	}
	return json.RawMessage(text), nil
}

func (p jsonProtocol) writeMembers(m *model, shape, path string, value fields) (any, error) {
	out := map[string]any{}
	for _, name := range sortedKeys(value) {
		r, ok := m.Shapes[shape].Members[name]
		if absent(value[name]) {
			continue
		} else if !ok {
			return nil, broken(path, "%s has no %s", shape, name)
		}
		v, err := p.write(m, r.Shape, cloudtest.Join(path, name), value[name])
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (p jsonProtocol) refuse(_ string, e *Error) cloudtest.Answer {
	body, _ := json.Marshal(map[string]string{"__type": e.Code, "message": e.Message}) // strings can always be written
	return cloudtest.Said(e.Status, "application/x-amz-json-1.1", body)
}

func (p jsonProtocol) code(f fault) string {
	if f == unknown || f == mistyped {
		return "SerializationException"
	}
	return "ValidationException"
}

func (p jsonProtocol) unauthorized() *Error {
	return refusal(http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (p jsonProtocol) forbidden(by, permission string) *Error {
	return refusal(http.StatusBadRequest, "AccessDeniedException", "User: %s is not authorized to perform: %s", by, permission)
}
