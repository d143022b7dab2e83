// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// reader walks a document and gathers what is wrong with it.
type reader struct {
	faults []fault
	// origins says where in the file each field of the spec was written.
	origins map[string]origin
	// envs and secrets are the variables of the document, which are read first.
	envs, secrets map[string]string
}

// origin is a place in the file.
type origin struct {
	path string
	line int
}

// fault is one thing wrong, and the field of the spec that it keeps from being
// known.
type fault struct {
	serve.FieldError
	line int
	spec string
}

// value is a node with its place in the file and in the spec.
type value struct {
	node *yaml.Node
	// path is in the words of the file, spec in those of the spec.
	path, spec string
	// expands says that variables stand for their values in here.
	expands bool
}

// child gives the value of a key of v.
func (v value) child(key string, node *yaml.Node) value {
	v.node = node
	v.path, v.spec = join(v.path, key), join(v.spec, key)
	return v
}

// element gives the value of a key of v when the keys are the user's own.
func (v value) element(key string, node *yaml.Node) value {
	v.node = node
	v.path += "[" + strconv.Quote(key) + "]"
	v.spec += "[" + strconv.Quote(key) + "]"
	return v
}

// item gives an element of the list v.
func (v value) item(i int, node *yaml.Node) value {
	v.node = node
	v.path += "[" + strconv.Itoa(i) + "]"
	v.spec += "[" + strconv.Itoa(i) + "]"
	return v
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// field is a key that a mapping may have, and what to do with its value.
type field struct {
	key  string
	read func(value)
}

// mapping reads the fields of v, in the order of fields and not of the file. A
// key of v that is not among them is a fault.
func (r *reader) mapping(v value, fields []field) {
	pairs := r.pairs(v)
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	for _, p := range pairs {
		if !slices.Contains(known, p.key) {
			r.unknown(v.child(p.key, p.at), p.key, known)
		}
	}
	for _, f := range fields {
		for _, p := range pairs {
			if p.key == f.key {
				child := v.child(p.key, p.node)
				r.origins[child.spec] = origin{child.path, p.at.Line}
				f.read(child)
			}
		}
	}
}

func (r *reader) unknown(v value, key string, known []string) {
	// What was meant is not known, and must not be reported as missing as well.
	near := serve.Nearest(key, known)
	section, elsewhere := home(key)
	switch {
	case elsewhere:
		v.spec = join(section.spec, key)
		r.fault(v, "There is no key %q here; it belongs %s.", key, section.words)
	case near != "":
		v.spec = strings.TrimSuffix(v.spec, key) + near
		r.fault(v, "There is no key %q here; did you mean %q?", key, near)
	default:
		r.fault(v, "There is no key %q here; the keys are %s.", key, strings.Join(known, ", "))
	}
}

// dictionary reads a mapping whose keys are the user's own.
func (r *reader) dictionary(v value, read func(key string, item value)) {
	for _, p := range r.pairs(v) {
		key := r.expand(v, p.key)
		item := v.element(key, p.node)
		if _, ok := r.origins[item.spec]; ok {
			r.fault(item, "%q is there twice once its variables are replaced.", p.key)
			continue
		}
		r.origins[item.spec] = origin{item.path, p.at.Line}
		read(key, item)
	}
}

// items reads the elements of a list.
func (r *reader) items(v value) []value {
	if v.node.Kind != yaml.SequenceNode {
		r.wrong(v, "a list")
		return nil
	}
	var items []value
	for i, n := range v.node.Content {
		items = append(items, v.item(i, follow(n)))
	}
	return items
}

// fault notes that something is wrong with v.
func (r *reader) fault(v value, format string, args ...any) {
	r.faultAt(origin{v.path, v.node.Line}, v.spec, format, args...)
}

func (r *reader) faultAt(at origin, spec, format string, args ...any) {
	e := serve.FieldError{Path: cmp.Or(at.path, "document"), Message: fmt.Sprintf(format, args...)}
	r.faults = append(r.faults, fault{FieldError: e, line: at.line, spec: spec})
}

// wrong notes that v is not of the kind it must be.
func (r *reader) wrong(v value, wanted string) {
	r.fault(v, "It is %s; it must be %s.", kind(v.node), wanted)
}

// refuse reads a key that SkyServe has and this project has not.
func (r *reader) refuse(why string) func(value) {
	return func(v value) { r.fault(v, "%s", why) }
}

// err gives the faults by line, each once: an entry that was read twice, for
// two accelerators, has its faults twice.
func (r *reader) err() error {
	slices.SortStableFunc(r.faults, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	var es serve.FieldErrors
	seen := make(map[string]bool)
	for _, f := range r.faults {
		if f.line > 0 {
			f.Message = fmt.Sprintf("Line %d: %s", f.line, f.Message)
		}
		if !seen[f.Error()] {
			seen[f.Error()] = true
			es = append(es, f.FieldError)
		}
	}
	return es.Err()
}
