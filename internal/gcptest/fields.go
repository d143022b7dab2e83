// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "time"

// fields is a structure of an API: what was asked, or what is answered. In what was
// asked there are, as the model has it, strings, int64, float64, bool, fields and
// []any of those. A handler may answer with any integer, with [time.Time] and with
// slices of one type, too, and what is nil is left out.
//
// The methods read what may be missing, and give the zero value for it.
type fields map[string]any

func (f fields) has(name string) bool { return f[name] != nil }

func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

func (f fields) flag(name string) bool {
	b, _ := f[name].(bool)
	return b
}

func (f fields) number(name string, otherwise int64) int64 {
	if n, ok := f[name].(int64); ok {
		return n
	}
	return otherwise
}

func (f fields) sub(name string) fields {
	sub, _ := f[name].(fields)
	return sub
}

func (f fields) subs(name string) []fields  { return each[fields](f[name]) }
func (f fields) texts(name string) []string { return each[string](f[name]) }

// labels gives the labels, whose values are all texts.
func (f fields) labels() map[string]string {
	out := map[string]string{}
	for k, v := range f.sub("labels") {
		out[k], _ = v.(string)
	}
	return out
}

func each[T any](list any) []T {
	values, _ := list.([]any)
	var out []T
	for _, v := range values {
		if t, ok := v.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// orNil makes nothing of an empty string, so that it is left out of an answer.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stamp writes a moment as Compute Engine does, which is in California.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(time.FixedZone("PST", -8*60*60)).Format("2006-01-02T15:04:05.000-07:00")
}
