// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import "time"

// Fields are a structure of an API: what was asked, or what is answered. In what was
// asked there are, as the model has it, strings, int64, float64, bool, []byte,
// [time.Time], Fields and []any of those. A handler may answer with any integer and
// with slices of one type, too, and what is nil is left out.
//
// The methods read what may be missing, and give the zero value for it.
type Fields map[string]any

// Has reports whether there is a field.
func (f Fields) Has(name string) bool { return f[name] != nil }

// Text gives a text.
func (f Fields) Text(name string) string { return as[string](f[name]) }

// Flag gives what is true or false.
func (f Fields) Flag(name string) bool { return as[bool](f[name]) }

// Moment gives a time.
func (f Fields) Moment(name string) time.Time { return as[time.Time](f[name]) }

// Sub gives a structure.
func (f Fields) Sub(name string) Fields { return as[Fields](f[name]) }

// Number gives an integer, or another where there is none.
func (f Fields) Number(name string, otherwise int) int {
	if n, ok := f[name].(int64); ok {
		return int(n)
	}
	return otherwise
}

// Subs gives a list of structures.
func (f Fields) Subs(name string) []Fields { return each[Fields](f[name]) }

// Texts gives a list of texts.
func (f Fields) Texts(name string) []string { return each[string](f[name]) }

func as[T any](value any) T {
	t, _ := value.(T)
	return t
}

func each[T any](list any) []T {
	var out []T
	for _, v := range as[[]any](list) {
		if t, ok := v.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// OrNil makes nothing of an empty text, so that it is left out of an answer.
func OrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// Join names a field of a structure that is at a path itself.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
