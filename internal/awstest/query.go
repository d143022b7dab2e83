// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// queryProtocol is what EC2 speaks, and a dialect apart, STS and many others: a
// form is asked, with dots in its names, and XML is answered.
type queryProtocol struct {
	// ec2 is the dialect that only EC2 speaks: capital letters, lists without
	// "member", and results that are not wrapped.
	ec2 bool
}

func (p queryProtocol) action(m *model, r *http.Request, body []byte) (string, any, error) {
	if r.URL.RawQuery != "" {
		body = append(append(body, '&'), r.URL.RawQuery...)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, depart(mistyped, "", "The request is not a form: %v", err)
	}
	action := form.Get("Action")
	if v := form.Get("Version"); v != m.Metadata.APIVersion {
		return action, nil, depart(outside, "Version", "The API is of version %s, not %q", m.Metadata.APIVersion, v)
	}
	form.Del("Action")
	form.Del("Version")
	root, err := newNode(form)
	return action, root, err
}

func (p queryProtocol) decode(m *model, shape string, content any) (fields, error) {
	root, _ := content.(*node)
	v, err := p.value(m, shape, "", root)
	if err != nil {
		return nil, err
	}
	f, _ := v.(fields)
	return f, nil
}

// node is a form as the tree that the dots in its names make of it.
type node struct {
	text  *string
	parts map[string]*node
}

func newNode(form url.Values) (*node, error) {
	root := &node{parts: map[string]*node{}}
	for name, values := range form {
		if len(values) != 1 {
			return nil, depart(outside, name, "The parameter %s is there more than once", name)
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			next := at.parts[part]
			if next == nil {
				next = &node{parts: map[string]*node{}}
				at.parts[part] = next
			}
			at = next
		}
		at.text = &values[0]
	}
	return root, nil
}

// wire is what a member of a structure is called in a form.
func (p queryProtocol) wire(name string, r reference) string {
	switch {
	case p.ec2 && r.QueryName != "":
		return r.QueryName
	case r.LocationName != "":
		name = r.LocationName
	}
	if p.ec2 {
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}

func (p queryProtocol) value(m *model, shape, path string, n *node) (any, error) {
	s := m.Shapes[shape]
	switch s.Type {
	case "structure":
		return p.structure(m, s, path, n)
	case "list":
		return p.list(m, s, path, n)
	}
	if len(n.parts) > 0 || n.text == nil {
		return nil, depart(unknown, path, "The parameter %s is not recognized: it has no parts", path)
	}
	return s.scalar(path, *n.text)
}

func (p queryProtocol) structure(m *model, s *shape, path string, n *node) (fields, error) {
	if n.text != nil {
		return nil, depart(mistyped, path, "The parameter %s must have parts", path)
	}
	known := map[string]string{}
	for name, r := range s.Members {
		known[p.wire(name, r)] = name
	}
	out := fields{}
	for part, content := range n.parts {
		name, ok := known[part]
		if !ok {
			return nil, depart(unknown, cloudtest.Join(path, part), "The parameter %s is not recognized", cloudtest.Join(path, part))
		}
		v, err := p.value(m, s.Members[name].Shape, cloudtest.Join(path, part), content)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (p queryProtocol) list(m *model, s *shape, path string, n *node) ([]any, error) {
	if n.text != nil && *n.text == "" && len(n.parts) == 0 {
		return []any{}, nil // how an empty list is sent
	}
	if !p.ec2 && !s.Flattened {
		inner := n.parts["member"]
		if inner == nil || len(n.parts) != 1 {
			return nil, depart(unknown, path, "The parameter %s is a list, of %s.member.N", path, path)
		}
		n, path = inner, path+".member"
	}
	out := make([]any, 0, len(n.parts))
	for i := 1; i <= len(n.parts); i++ {
		at := strconv.Itoa(i)
		content := n.parts[at]
		if content == nil {
			return nil, depart(unknown, path, "The parameter %s is a list, but has no %s.%s", path, path, at)
		}
		v, err := p.value(m, s.Member.Shape, cloudtest.Join(path, at), content)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// answer writes the XML of an answer.
func (p queryProtocol) answer(m *model, action, request string, out fields) (cloudtest.Answer, error) {
	x := &xmlWriter{model: m, list: "member"}
	x.open(action+"Response", m.Metadata.XMLNamespace)
	shape := m.Operations[action].Output
	switch {
	case p.ec2:
		x.list = "item"
		x.text("requestId", request)
		if shape == nil {
			x.text("return", "true")
		} else if err := x.members(shape.Shape, action, out); err != nil {
			return cloudtest.Answer{}, err
		}
	default:
		if shape != nil {
			if err := x.value(shape.Shape, shape.ResultWrapper, out); err != nil {
				return cloudtest.Answer{}, err
			}
		}
		x.open("ResponseMetadata", "")
		x.text("RequestId", request)
		x.close("ResponseMetadata")
	}
	x.close(action + "Response")
	return cloudtest.Said(http.StatusOK, "text/xml;charset=UTF-8", x.bytes()), nil
}

func (p queryProtocol) refuse(request string, e *Error) cloudtest.Answer {
	x := new(xmlWriter)
	if p.ec2 {
		x.open("Response", "")
		x.open("Errors", "")
		x.failure(e)
		x.close("Errors")
		x.text("RequestID", request)
		x.close("Response")
	} else {
		x.list = "member"
		x.open("ErrorResponse", "")
		x.failure(e)
		x.text("RequestId", request)
		x.close("ErrorResponse")
	}
	return cloudtest.Said(e.Status, "text/xml;charset=UTF-8", x.bytes())
}

func (p queryProtocol) code(f fault) string {
	codes := []string{"", "UnknownParameter", "MissingParameter", "InvalidParameterValue", "InvalidParameterValue"}
	if !p.ec2 {
		codes = []string{"", "ValidationError", "ValidationError", "ValidationError", "ValidationError"}
	}
	return codes[f]
}

// unauthorized says that the caller is nobody the service knows.
func (p queryProtocol) unauthorized() *Error {
	if p.ec2 {
		return refusal(http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
	}
	return refusal(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

func (p queryProtocol) forbidden(by, permission string) *Error {
	if p.ec2 {
		return refusal(http.StatusForbidden, "UnauthorizedOperation",
			"You are not authorized to perform this operation. User: %s is not authorized to perform: %s", by, permission)
	}
	return refusal(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s", by, permission)
}

// sortedKeys gives the keys of a map in a fixed order, so that the same call is
// answered in the same bytes.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// broken is an answer of ours that AWS could not have given.
func broken(path, format string, args ...any) error {
	return fmt.Errorf("answering %s: %s", path, fmt.Sprintf(format, args...))
}
