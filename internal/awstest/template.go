// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// template is a launch template: what a launch asks for, kept under a name. It has
// versions, which never change.
type template struct {
	id, name, token string
	made            time.Time
	versions        []templateVersion // the first is 1
	standard        int               // which version is meant if none is named
	tags            tags
}

type templateVersion struct {
	made        time.Time
	description string
	data        fields
}

func (t *template) describe() fields {
	return fields{
		"LaunchTemplateId": t.id, "LaunchTemplateName": t.name, "CreateTime": t.made, "CreatedBy": user,
		"DefaultVersionNumber": t.standard, "LatestVersionNumber": len(t.versions), "Tags": tagList(t.tags.last()),
	}
}

func (t *template) describeVersion(n int) fields {
	v := t.versions[n-1]
	return fields{
		"LaunchTemplateId": t.id, "LaunchTemplateName": t.name, "VersionNumber": n, "VersionDescription": cloudtest.OrNil(v.description),
		"CreateTime": v.made, "CreatedBy": user, "DefaultVersion": n == t.standard, "LaunchTemplateData": v.data,
	}
}

// number finds a version by how a request names it.
func (t *template) number(name string) (int, error) {
	switch name {
	case "", "$Default":
		return t.standard, nil
	case "$Latest":
		return len(t.versions), nil
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return 0, invalid("Invalid launch template version: %s", name)
	}
	if n < 1 || n > len(t.versions) {
		return 0, refusal(400, "InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %d for the launch template with ID %s.", n, t.id)
	}
	return n, nil
}

func noTemplate(name string) error {
	return refusal(400, "InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID or name %s, does not exist.", name)
}

// template finds the template that a request is about.
func (r *region) template(in fields) (*template, error) {
	id, name := in.Text("LaunchTemplateId"), in.Text("LaunchTemplateName")
	t := find(r.templates, func(t *template) bool { return id != "" && t.id == id || name != "" && t.name == name })
	if t == nil {
		return nil, noTemplate(cmp.Or(id, name))
	}
	return t, nil
}

// asked gives what a launch from a template asks for, where what the launch itself
// says counts more. Tags are those of both.
func (r *region) asked(spec, in fields) (fields, *template, int, error) {
	t, err := r.template(spec)
	if err != nil {
		return nil, nil, 0, err
	}
	n, err := t.number(spec.Text("Version"))
	if err != nil {
		return nil, nil, 0, err
	}
	out := maps.Clone(t.versions[n-1].data)
	maps.Copy(out, in)
	before, _ := t.versions[n-1].data["TagSpecifications"].([]any)
	after, _ := in["TagSpecifications"].([]any)
	if len(before) > 0 {
		out["TagSpecifications"] = slices.Concat(before, after)
	}
	delete(out, "LaunchTemplate")
	return out, t, n, nil
}

func createLaunchTemplate(c *call, in fields) (fields, error) {
	name, token := in.Text("LaunchTemplateName"), in.Text("ClientToken")
	if t := find(c.region.templates, func(t *template) bool { return t.name == name }); t != nil {
		if token == "" || t.token != token {
			return nil, refusal(400, "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
		return fields{"LaunchTemplate": t.describe()}, nil
	}
	labels, err := specified(c.now, in, "launch-template")
	if err != nil {
		return nil, err
	}
	t := &template{
		id: c.id("lt"), name: name, token: token, made: c.now, standard: 1, tags: labels,
		versions: []templateVersion{{c.now, in.Text("VersionDescription"), in.Sub("LaunchTemplateData")}},
	}
	c.region.templates = append(c.region.templates, t)
	return fields{"LaunchTemplate": t.describe()}, nil
}

// createLaunchTemplateVersion makes a version of another one, with changes, or of
// nothing.
func createLaunchTemplateVersion(c *call, in fields) (fields, error) {
	t, err := c.region.template(in)
	if err != nil {
		return nil, err
	}
	data := fields{}
	if in.Has("SourceVersion") {
		n, err := t.number(in.Text("SourceVersion"))
		if err != nil {
			return nil, err
		}
		maps.Copy(data, t.versions[n-1].data)
	}
	maps.Copy(data, in.Sub("LaunchTemplateData"))
	t.versions = append(t.versions, templateVersion{c.now, in.Text("VersionDescription"), data})
	return fields{"LaunchTemplateVersion": t.describeVersion(len(t.versions))}, nil
}

func modifyLaunchTemplate(c *call, in fields) (fields, error) {
	t, err := c.region.template(in)
	if err != nil {
		return nil, err
	}
	if t.standard, err = t.number(in.Text("DefaultVersion")); err != nil {
		return nil, err
	}
	return fields{"LaunchTemplate": t.describe()}, nil
}

func describeLaunchTemplates(c *call, in fields) (fields, error) {
	list, err := require(c.region.templates, in.Texts("LaunchTemplateIds"), func(t *template) string { return t.id }, noTemplate)
	if err != nil {
		return nil, err
	}
	list, err = require(list, in.Texts("LaunchTemplateNames"), func(t *template) string { return t.name }, func(name string) error {
		return refusal(400, "InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist: %s", name)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(t *template) facets {
		return facets{"launch-template-name": {t.name}, "create-time": nil}.tagged(t.tags.last())
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 1, 200, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, t := range list {
		out = append(out, t.describe())
	}
	return fields{"LaunchTemplates": out, "NextToken": next}, nil
}

// describeLaunchTemplateVersions tells of the versions of one template.
func describeLaunchTemplateVersions(c *call, in fields) (fields, error) {
	t, err := c.region.template(in)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range in.Texts("Versions") {
		n, err := t.number(name)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		for n := len(t.versions); n > 0; n-- {
			numbers = append(numbers, n)
		}
	}
	out := []fields{}
	for _, n := range numbers {
		out = append(out, t.describeVersion(n))
	}
	return fields{"LaunchTemplateVersions": out}, nil
}

func deleteLaunchTemplate(c *call, in fields) (fields, error) {
	t, err := c.region.template(in)
	if err != nil {
		return nil, err
	}
	c.region.templates = slices.DeleteFunc(c.region.templates, func(o *template) bool { return o == t })
	return fields{"LaunchTemplate": t.describe()}, nil
}
