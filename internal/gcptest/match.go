// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// template is the path of a method, with names in place of what differs.
type template struct {
	whole *regexp.Regexp
	names []string
	fixed int // how many characters are the same in every path
}

// newTemplate understands the templates of discovery documents: {name} stands for one
// part of a path, and {+name} for as many as its pattern has.
func newTemplate(text string, parameters map[string]*schema) *template {
	t := &template{}
	var pattern strings.Builder
	pattern.WriteString("^/")
	for text != "" {
		before, rest, more := strings.Cut(text, "{")
		pattern.WriteString(regexp.QuoteMeta(before))
		t.fixed += len(before)
		if !more {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		name, several := strings.CutPrefix(name, "+")
		fits := "[^/]+"
		if p := parameters[name]; several && p != nil && p.Pattern != "" {
			fits = strings.TrimSuffix(strings.TrimPrefix(p.Pattern, "^"), "$")
		} else if several {
			fits = ".+"
		}
		// A pattern may have groups of its own, so these have names.
		fmt.Fprintf(&pattern, "(?P<name%d>%s)", len(t.names), fits)
		t.names = append(t.names, name)
		text = after
	}
	r, err := regexp.Compile(pattern.String() + "$")
	if err != nil {
		return nil // no request is for it
	}
	t.whole = r
	return t
}

// match reports whether a path is of the template, and what stands for its names. The
// path is as it was sent, in which a name may have slashes that are escaped.
func (t *template) match(path string) (map[string]string, bool) {
	if t == nil {
		return nil, false
	}
	got := t.whole.FindStringSubmatch(path)
	if got == nil {
		return nil, false
	}
	values := map[string]string{}
	for i, name := range t.names {
		text, err := url.PathUnescape(got[t.whole.SubexpIndex(fmt.Sprintf("name%d", i))])
		if err != nil {
			return nil, false
		}
		values[name] = text
	}
	return values, true
}

// match is a request that is for a method.
type match struct {
	service *service
	method  *method
	path    map[string]string // parameters that are in the path
	upload  bool
}

// find says which method a request is for. The host says of which API it is, if it is
// one of Google's; at any other, which is the emulation's own, the path has to.
func (g *GCP) find(r *http.Request) (match, bool) {
	var best match
	longest := -1
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	path := r.URL.EscapedPath()
	consider := func(s *service, m *method, t *template, upload bool) {
		if values, ok := t.match(path); ok && t.fixed > longest {
			best, longest = match{service: s, method: m, path: values, upload: upload}, t.fixed
		}
	}
	for _, s := range g.services {
		if strings.HasSuffix(host, ".googleapis.com") && !strings.HasPrefix(s.model.RootURL, "https://"+host+"/") {
			continue
		}
		for _, m := range s.model.methods {
			if m.HTTPMethod == r.Method {
				consider(s, m, m.plain, false)
				consider(s, m, m.uploads, true)
			}
		}
	}
	return best, longest >= 0
}
