// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// judge adds what the domain finds wrong with the service, in the words of the
// file. A rule that looked at a field which could not be read says nothing.
func (r *reader) judge(s Service) {
	spec := s.Spec
	if !s.Has("name") {
		spec.Name = "unnamed"
	}
	spec.FileMounts = make(map[string]string)
	for target := range s.MountPaths {
		spec.FileMounts[target] = "sha256:" + strings.Repeat("0", 64)
	}
	read := r.faults
	for _, e := range spec.Validate() {
		if hidden(read, e) {
			continue
		}
		at := r.trace(e.Path)
		e.Path = at.path
		for i, related := range e.Related {
			e.Related[i] = r.trace(related).path
		}
		r.faults = append(r.faults, fault{FieldError: e, line: at.line})
	}
}

// hidden reports whether e is about something that could not be read.
func hidden(faults []fault, e serve.FieldError) bool {
	for _, path := range append([]string{e.Path}, e.Related...) {
		for _, f := range faults {
			if within(path, f.spec) || within(f.spec, path) {
				return true
			}
		}
	}
	return false
}

// within reports whether path is outer or below it. Everything is within the
// document as a whole.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// trace gives the place in the file of a field of the spec. One that is not in
// the file has the line of what it would be part of.
func (r *reader) trace(spec string) origin {
	for end := len(spec); end > 0; end = strings.LastIndexAny(spec[:end], ".[") {
		if at, ok := r.origins[spec[:end]]; ok {
			at.path += spec[end:]
			return at
		}
	}
	outermost, _, _ := strings.Cut(spec, ".")
	if section, _ := home(outermost); section.words == "under service" || outermost == "ports" {
		return origin{path: "service." + spec, line: r.origins["service"].line}
	}
	return origin{path: spec}
}
