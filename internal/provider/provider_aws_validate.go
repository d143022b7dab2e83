// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// The forms of what AWS gives names.
const (
	awsRegionForm = `^[a-z]{2,3}(-[a-z]+)+-[0-9]+$`
	roleARNForm   = `^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`
	vpcForm       = `^vpc-[0-9a-f]+$`
	takenTagForm  = `^(serve-infra|aws):`
)

// notRegion is what is said of a region that cannot be one.
const notRegion = "is not a region of AWS, which have names like \"us-east-1\"."

// awsCheck collects what is wrong with aws.
type awsCheck struct {
	at path.Path
	diag.Diagnostics
}

func (c *awsCheck) refuse(at path.Path, why string) {
	c.AddAttributeError(at, "Invalid "+at.String(), why)
}

// form refuses a value that has not the form; one that is not known yet may have it.
func (c *awsCheck) form(at path.Path, v types.String, form, why string) {
	if known(v) && !regexp.MustCompile(form).MatchString(v.ValueString()) {
		c.refuse(at, "\""+v.ValueString()+"\" "+why)
	}
}

// validateAWS says what cannot be meant. What is not known yet may be there.
func validateAWS(ctx context.Context, o types.Object) diag.Diagnostics {
	c := awsCheck{at: path.Root("aws")}
	m, ok := decode[awsModel](ctx, o, &c.Diagnostics)
	if !ok {
		return c.Diagnostics
	}
	c.places(m)
	c.tags(m)
	c.endpoints(m)
	if r, ok := decode[assumeRoleModel](ctx, m.AssumeRole, &c.Diagnostics); ok {
		c.form(c.at.AtName("assume_role").AtName("role_arn"), r.RoleARN, roleARNForm,
			"is not the ARN of a role, as in \"arn:aws:iam::123456789012:role/serve\".")
	}
	return c.Diagnostics
}

func (c *awsCheck) places(m awsModel) {
	c.form(c.at.AtName("region"), m.Region, awsRegionForm, notRegion)
	c.form(c.at.AtName("vpc_id"), m.VPCID, vpcForm, "is not the id of a network, which is like \"vpc-0123456789abcdef0\".")
	for i, v := range m.Regions.Elements() {
		if v, ok := v.(types.String); ok {
			c.form(c.at.AtName("regions").AtListIndex(i), v, awsRegionForm, notRegion)
		}
	}
	if known(m.VPCID) && !m.Regions.IsUnknown() && len(m.Regions.Elements()) != 1 {
		c.refuse(c.at.AtName("vpc_id"), "A network is in one region; name that, and no other, by regions.")
	}
}

func (c *awsCheck) tags(m awsModel) {
	for _, key := range slices.Sorted(maps.Keys(m.DefaultTags.Elements())) {
		if regexp.MustCompile(takenTagForm).MatchString(key) {
			c.refuse(c.at.AtName("default_tags").AtMapKey(key),
				"Tags that begin with \"serve-infra:\" are the provider's own, and those that begin with \"aws:\" are those of AWS.")
		}
	}
}

func (c *awsCheck) endpoints(m awsModel) {
	for _, service := range slices.Sorted(maps.Keys(m.Endpoints.Elements())) {
		here := c.at.AtName("endpoints").AtMapKey(service)
		if !slices.Contains(awsServices(), service) {
			c.refuse(here, "There is no service \""+service+"\" that would be asked; there are "+words(awsServices())+".")
		}
		v, ok := m.Endpoints.Elements()[service].(types.String)
		if !ok || !known(v) {
			continue
		}
		if u, err := url.Parse(v.ValueString()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.refuse(here, "\""+v.ValueString()+"\" is not a URL, as in \"https://ec2.example.com\".")
		}
	}
}
