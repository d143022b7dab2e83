// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// model is an API as Google itself describes it, in the words of a discovery
// document. Nobody changes one once it is read, so all tests share it.
type model struct {
	Name        string               `json:"name"`
	RootURL     string               `json:"rootUrl"`
	ServicePath string               `json:"servicePath"`
	BatchPath   string               `json:"batchPath"`
	Parameters  map[string]*schema   `json:"parameters"`
	Schemas     map[string]*schema   `json:"schemas"`
	Resources   map[string]*resource `json:"resources"`

	// methods are those of all resources, and of theirs.
	methods []*method
}

// resource is a part of an API.
type resource struct {
	Methods   map[string]*method   `json:"methods"`
	Resources map[string]*resource `json:"resources"`
}

// method is what can be asked of an API, and what it answers.
type method struct {
	ID             string             `json:"id"`
	HTTPMethod     string             `json:"httpMethod"`
	Path           string             `json:"path"`
	Parameters     map[string]*schema `json:"parameters"`
	Request        *schema            `json:"request"`
	Response       *schema            `json:"response"`
	Scopes         []string           `json:"scopes"`
	MediaDownload  bool               `json:"supportsMediaDownload"`
	MediaUpload    *mediaUpload       `json:"mediaUpload"`
	uploads, plain *template
}

// mediaUpload is how content is sent that is no JSON.
type mediaUpload struct {
	Protocols struct {
		Simple struct {
			Path string `json:"path"`
		} `json:"simple"`
	} `json:"protocols"`
}

// schema is a type of values, with what Google asks of them, or refers to one.
type schema struct {
	ID          string             `json:"id"`
	Ref         string             `json:"$ref"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []string           `json:"enum"`
	Pattern     string             `json:"pattern"`
	Minimum     string             `json:"minimum"`
	Maximum     string             `json:"maximum"`
	Default     string             `json:"default"`
	Location    string             `json:"location"` // of a parameter: path or query
	Required    bool               `json:"required"`
	Repeated    bool               `json:"repeated"`
	ReadOnly    bool               `json:"readOnly"`
	Items       *schema            `json:"items"`
	Properties  map[string]*schema `json:"properties"`
	Others      *schema            `json:"additionalProperties"`
	Annotations struct {
		Required []string `json:"required"` // by which methods
	} `json:"annotations"`

	matches func() *regexp.Regexp
}

// output reports whether only Google writes a property: where the description of
// the API does not say so itself, its words do.
func (s *schema) output() bool {
	return s.ReadOnly || strings.HasPrefix(s.Description, "[Output Only]") || strings.HasPrefix(s.Description, "Output only.")
}

//nolint:gochecknoglobals // what Google publishes is the same for every test of a process
var models = cloudtest.Library[model]{
	Vendor: "Google", Module: "google.golang.org/api", // which is that of Google's own clients
	File: func(api string) string {
		name, _, _ := strings.Cut(api, "/")
		return api + "/" + name + "-api.json"
	},
	Prepare: (*model).prepare,
}

// prepare readies patterns and the paths of methods.
func (m *model) prepare() {
	for _, s := range m.Schemas {
		s.prepare()
	}
	for _, s := range m.Parameters {
		s.prepare()
	}
	m.collect(m.Resources)
	slices.SortFunc(m.methods, func(a, b *method) int { return strings.Compare(a.ID, b.ID) })
}

func (m *model) collect(resources map[string]*resource) {
	for _, r := range resources {
		for _, o := range r.Methods {
			if o.Parameters["maxResults"] != nil && m.Name == "compute" {
				// The documents of the end of 2026 tell of it in words only; Google's command
				// line sends it.
				o.Parameters["returnPartialSuccess"] = &schema{Type: "boolean", Location: "query"}
			}
			for _, s := range o.Parameters {
				s.prepare()
			}
			o.plain = newTemplate(m.ServicePath+o.Path, o.Parameters)
			if o.MediaUpload != nil {
				o.uploads = newTemplate(strings.TrimPrefix(o.MediaUpload.Protocols.Simple.Path, "/"), o.Parameters)
			}
			m.methods = append(m.methods, o)
		}
		m.collect(r.Resources)
	}
}

func (s *schema) prepare() {
	if s == nil {
		return
	}
	s.matches = cloudtest.Expression("^(?:" + s.Pattern + ")$")
	s.Items.prepare()
	s.Others.prepare()
	for _, p := range s.Properties {
		p.prepare()
	}
}

// has reports whether the API has a method.
func (m *model) has(id string) bool {
	return slices.ContainsFunc(m.methods, func(o *method) bool { return o.ID == id })
}
