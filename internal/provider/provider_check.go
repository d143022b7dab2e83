// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// check collects what is wrong with how a cloud is reached. What is not known yet may
// be right.
type check struct {
	at path.Path
	diag.Diagnostics
}

func (c *check) refuse(at path.Path, why string) {
	c.AddAttributeError(at, "Invalid "+at.String(), why)
}

// form refuses a value that has not the form.
func (c *check) form(at path.Path, v types.String, form, why string) {
	if known(v) && !regexp.MustCompile(form).MatchString(v.ValueString()) {
		c.refuse(at, "\""+v.ValueString()+"\" "+why)
	}
}

// regions refuses those that are none.
func (c *check) regions(list types.List, form, why string) {
	for i, v := range list.Elements() {
		if v, ok := v.(types.String); ok {
			c.form(c.at.AtName("regions").AtListIndex(i), v, form, why)
		}
	}
}

// endpoints refuses those of services that are not asked, and what is no URL.
func (c *check) endpoints(all types.Map, services []string, example string) {
	for _, service := range slices.Sorted(maps.Keys(all.Elements())) {
		here := c.at.AtName("endpoints").AtMapKey(service)
		if !slices.Contains(services, service) {
			c.refuse(here, "There is no service \""+service+"\" that would be asked; there are "+words(services)+".")
		}
		v, ok := all.Elements()[service].(types.String)
		if !ok || !known(v) {
			continue
		}
		if u, err := url.Parse(v.ValueString()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.refuse(here, "\""+v.ValueString()+"\" is not a URL, as in \""+example+"\".")
		}
	}
}
