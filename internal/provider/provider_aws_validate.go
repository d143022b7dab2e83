// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
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
type awsCheck struct{ check }

// validateAWS says what cannot be meant.
func validateAWS(ctx context.Context, o types.Object) diag.Diagnostics {
	c := awsCheck{check{at: path.Root(awsInfra)}}
	m, ok := decode[awsModel](ctx, o, &c.Diagnostics)
	if !ok {
		return c.Diagnostics
	}
	c.places(m)
	c.tags(m)
	c.endpoints(m.Endpoints, awsServices(), "https://ec2.example.com")
	if r, ok := decode[assumeRoleModel](ctx, m.AssumeRole, &c.Diagnostics); ok {
		c.form(c.at.AtName("assume_role").AtName("role_arn"), r.RoleARN, roleARNForm,
			"is not the ARN of a role, as in \"arn:aws:iam::123456789012:role/serve\".")
	}
	return c.Diagnostics
}

func (c *awsCheck) places(m awsModel) {
	c.form(c.at.AtName("region"), m.Region, awsRegionForm, notRegion)
	c.form(c.at.AtName("vpc_id"), m.VPCID, vpcForm, "is not the id of a network, which is like \"vpc-0123456789abcdef0\".")
	c.regions(m.Regions, awsRegionForm, notRegion)
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
