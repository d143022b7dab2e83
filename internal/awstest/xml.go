// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// xmlWriter writes values as the model has them in XML, and fails on what the
// model does not have.
type xmlWriter struct {
	model *model
	list  string // what the elements of a list are called where the model is silent
	buf   bytes.Buffer
}

func (x *xmlWriter) bytes() []byte {
	return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), x.buf.Bytes()...)
}

func (x *xmlWriter) open(tag, namespace string) {
	if namespace != "" {
		fmt.Fprintf(&x.buf, "<%s xmlns=%q>", tag, namespace)
		return
	}
	fmt.Fprintf(&x.buf, "<%s>", tag)
}

func (x *xmlWriter) close(tag string) { fmt.Fprintf(&x.buf, "</%s>", tag) }

func (x *xmlWriter) text(tag, text string) {
	x.open(tag, "")
	_ = xml.EscapeText(&x.buf, []byte(text)) // a buffer takes everything
	x.close(tag)
}

func (x *xmlWriter) failure(e *Error) {
	x.open("Error", "")
	if x.list == "member" {
		x.text("Type", "Sender")
	}
	x.text("Code", e.Code)
	x.text("Message", e.Message)
	x.close("Error")
}

func (x *xmlWriter) members(shape, path string, value fields) error {
	s := x.model.Shapes[shape]
	for _, name := range sortedKeys(value) {
		if absent(value[name]) {
			continue
		}
		r, ok := s.Members[name]
		if !ok {
			return broken(path, "%s has no %s", shape, name)
		}
		tag := r.LocationName
		if tag == "" {
			tag = name
		}
		if err := x.member(r.Shape, tag, value[name]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// member writes a member of a structure. One that is a flattened list is there
// several times.
func (x *xmlWriter) member(shape, tag string, value any) error {
	s := x.model.Shapes[shape]
	list := reflect.ValueOf(value)
	if s.Type != "list" || !s.Flattened || list.Kind() != reflect.Slice {
		return x.value(shape, tag, value)
	}
	for i := range list.Len() {
		if err := x.value(s.Member.Shape, tag, list.Index(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}

func (x *xmlWriter) value(shape, tag string, value any) error {
	s := x.model.Shapes[shape]
	switch s.Type {
	case "structure":
		f, ok := value.(fields)
		if !ok {
			return broken(tag, "%s is a structure, not %T", shape, value)
		}
		x.open(tag, "")
		defer x.close(tag)
		return x.members(shape, tag, f)
	case "list":
		list := reflect.ValueOf(value)
		if list.Kind() != reflect.Slice {
			return broken(tag, "%s is a list, not %T", shape, value)
		}
		inner := s.Member.LocationName
		if inner == "" {
			inner = x.list
		}
		x.open(tag, "")
		defer x.close(tag)
		for i := range list.Len() {
			if err := x.value(s.Member.Shape, inner, list.Index(i).Interface()); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := s.write(tag, value)
	if err != nil {
		return err
	}
	x.text(tag, text)
	return nil
}

// write makes text of a value that is no list and no structure, and checks that
// it is of its shape.
func (s *shape) write(path string, value any) (string, error) {
	text, kind := "", ""
	switch v := value.(type) {
	case string:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return "", broken(path, "%q is none of %q", v, s.Enum)
		}
		text, kind = v, "string"
	case bool:
		text, kind = strconv.FormatBool(v), "boolean"
	case int, int64:
		text, kind = fmt.Sprint(v), "integer long"
	case float64:
		text, kind = strconv.FormatFloat(v, 'f', -1, 64), "float double"
	case time.Time:
		text, kind = v.UTC().Format("2006-01-02T15:04:05.000Z"), "timestamp"
	case []byte:
		text, kind = base64.StdEncoding.EncodeToString(v), "blob"
	}
	if !slices.Contains(strings.Fields(kind), s.Type) {
		return "", broken(path, "a %s cannot be %#v", s.Type, value)
	}
	return text, nil
}

// absent reports whether a value is left out of an answer.
func absent(value any) bool {
	if value == nil {
		return true
	}
	f, ok := value.(fields)
	return ok && f == nil
}
