// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// profile is how an instance gets a role.
type profile struct {
	name, id, path string
	made           time.Time
	role           *role
	tags           tags
}

func (p *profile) arn() string {
	return "arn:aws:iam::" + Account + ":instance-profile" + p.path + p.name
}

func (p *profile) describe() fields {
	roles := []fields{}
	if p.role != nil {
		d := p.role.describe()
		delete(d, "Tags") // within another thing it has none
		roles = append(roles, d)
	}
	return fields{
		"InstanceProfileName": p.name, "InstanceProfileId": p.id, "Arn": p.arn(), "Path": p.path, "CreateDate": p.made, "Roles": roles,
		"Tags": tagList(p.tags.last()),
	}
}

// profile finds the profile that a request is about.
func (c *call) profile(in fields) (*profile, error) {
	name := in.Text("InstanceProfileName")
	p := find(c.profiles, func(p *profile) bool { return p.name == name })
	if p == nil {
		return nil, noEntity("instance profile", name)
	}
	return p, nil
}

func createInstanceProfile(c *call, in fields) (fields, error) {
	name, path := in.Text("InstanceProfileName"), in.Text("Path")
	if slices.ContainsFunc(c.profiles, func(p *profile) bool { return strings.EqualFold(p.name, name) }) {
		return nil, taken("Instance Profile", name)
	}
	t, err := iamTags(c, in)
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = "/"
	}
	p := &profile{name: name, id: "AIPA" + strings.ToUpper(hex16(c.random.Uint64())), path: path, made: c.now, tags: t}
	c.profiles = append(c.profiles, p)
	return fields{"InstanceProfile": p.describe()}, nil
}

func getInstanceProfile(c *call, in fields) (fields, error) {
	p, err := c.profile(in)
	if err != nil {
		return nil, err
	}
	return fields{"InstanceProfile": p.describe()}, nil
}

func listInstanceProfilesForRole(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, p := range c.profiles {
		if p.role == r {
			out = append(out, p.describe())
		}
	}
	return fields{"InstanceProfiles": out, "IsTruncated": false}, nil
}

func deleteInstanceProfile(c *call, in fields) (fields, error) {
	p, err := c.profile(in)
	if err != nil {
		return nil, err
	}
	if p.role != nil {
		return nil, conflict("remove roles from instance profile")
	}
	c.profiles = slices.DeleteFunc(c.profiles, func(o *profile) bool { return o == p })
	return nil, nil
}

func addRoleToInstanceProfile(c *call, in fields) (fields, error) {
	p, err := c.profile(in)
	if err != nil {
		return nil, err
	}
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	if p.role != nil {
		return nil, refusal(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	p.role = r
	return nil, nil
}

func removeRoleFromInstanceProfile(c *call, in fields) (fields, error) {
	p, err := c.profile(in)
	if err != nil {
		return nil, err
	}
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	if p.role != r {
		return nil, noEntity("role", r.name)
	}
	p.role = nil
	return nil, nil
}

// planProfile finds the profile of an instance, which EC2 may not know for a while
// after IAM does.
func planProfile(c *call, p *plan, in fields) error {
	if !in.Has("IamInstanceProfile") {
		return nil
	}
	name, arn := in.Sub("IamInstanceProfile").Text("Name"), in.Sub("IamInstanceProfile").Text("Arn")
	at := c.seen()
	found := find(c.profiles, func(p *profile) bool {
		return !p.made.After(at) && (name != "" && p.name == name || arn != "" && p.arn() == arn)
	})
	switch {
	case found == nil && arn != "":
		return invalid("Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", arn)
	case found == nil:
		return invalid("Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
	case found.role == nil:
		return invalid("IAM Instance Profile \"%s\" has no associated IAM Roles", found.arn())
	}
	p.profile = found
	return nil
}
