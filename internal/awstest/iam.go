// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

func iamActions() map[string]handler {
	return map[string]handler{
		"CreateRole":                    createRole,
		"GetRole":                       getRole,
		"ListRoles":                     listRoles,
		"DeleteRole":                    deleteRole,
		"TagRole":                       tagRole,
		"PutRolePolicy":                 putRolePolicy,
		"GetRolePolicy":                 getRolePolicy,
		"ListRolePolicies":              listRolePolicies,
		"DeleteRolePolicy":              deleteRolePolicy,
		"ListAttachedRolePolicies":      listAttachedRolePolicies,
		"CreateInstanceProfile":         createInstanceProfile,
		"GetInstanceProfile":            getInstanceProfile,
		"ListInstanceProfilesForRole":   listInstanceProfilesForRole,
		"DeleteInstanceProfile":         deleteInstanceProfile,
		"AddRoleToInstanceProfile":      addRoleToInstanceProfile,
		"RemoveRoleFromInstanceProfile": removeRoleFromInstanceProfile,
	}
}

// role is what can be taken on by those it trusts. It is the account's, in all
// regions.
type role struct {
	name, id, path, description string
	made                        time.Time
	trust                       policy
	policies                    map[string]policy // by name
	tags                        tags
}

func (r *role) arn() string { return "arn:aws:iam::" + Account + ":role" + r.path + r.name }

func (r *role) describe() fields {
	return fields{
		"RoleName": r.name, "RoleId": r.id, "Arn": r.arn(), "Path": r.path, "CreateDate": r.made, "Description": cloudtest.OrNil(r.description),
		"AssumeRolePolicyDocument": url.QueryEscape(r.trust.text), "MaxSessionDuration": 3600, "Tags": tagList(r.tags.last()),
	}
}

// taken says that a name is taken already.
func taken(kind, name string) error {
	return refusal(http.StatusConflict, "EntityAlreadyExists", "%s with name %s already exists.", kind, name)
}

func noEntity(kind, name string) error {
	return refusal(http.StatusNotFound, "NoSuchEntity", "The %s with name %s cannot be found.", kind, name)
}

// conflict says that something is not to be deleted while it has, or is, a part of
// something else.
func conflict(what string) error {
	return refusal(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must %s first.", what)
}

// role finds the role that a request is about. IAM tells of it late, too, but knows
// it itself.
func (c *call) role(in fields) (*role, error) {
	name := in.Text("RoleName")
	r := find(c.roles, func(r *role) bool { return r.name == name })
	if r == nil {
		return nil, noEntity("role", name)
	}
	return r, nil
}

// iamTags reads the tags that a request of IAM has, which has none of EC2's types.
func iamTags(c *call, in fields) (tags, error) { return newTags(c.now, in.Subs("Tags")) }

func createRole(c *call, in fields) (fields, error) {
	name, path := in.Text("RoleName"), in.Text("Path")
	if slices.ContainsFunc(c.roles, func(r *role) bool { return strings.EqualFold(r.name, name) }) {
		return nil, taken("Role", name)
	}
	trust, err := readPolicy(in.Text("AssumeRolePolicyDocument"), true)
	if err != nil {
		return nil, err
	}
	t, err := iamTags(c, in)
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = "/"
	}
	r := &role{
		name: name, id: "AROA" + strings.ToUpper(hex16(c.random.Uint64())), path: path, description: in.Text("Description"), made: c.now,
		trust: trust, policies: map[string]policy{}, tags: t,
	}
	c.roles = append(c.roles, r)
	return fields{"Role": r.describe()}, nil
}

func getRole(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	return fields{"Role": r.describe()}, nil
}

func listRoles(c *call, in fields) (fields, error) {
	out := []fields{}
	for _, r := range c.roles {
		if strings.HasPrefix(r.path, in.Text("PathPrefix")) {
			d := r.describe()
			delete(d, "Tags") // a list has none
			out = append(out, d)
		}
	}
	return fields{"Roles": out, "IsTruncated": false}, nil
}

func deleteRole(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	if len(r.policies) > 0 {
		return nil, conflict("delete policies")
	}
	if slices.ContainsFunc(c.profiles, func(p *profile) bool { return p.role == r }) {
		return nil, conflict("remove roles from instance profile")
	}
	c.roles = slices.DeleteFunc(c.roles, func(o *role) bool { return o == r })
	return nil, nil
}

func tagRole(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	t, err := iamTags(c, in)
	if err != nil {
		return nil, err
	}
	r.tags = append(r.tags, t...)
	return nil, nil
}

func putRolePolicy(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	p, err := readPolicy(in.Text("PolicyDocument"), false)
	if err != nil {
		return nil, err
	}
	size := len(p.text)
	for name, other := range r.policies {
		if name != in.Text("PolicyName") {
			size += len(other.text)
		}
	}
	if size > 10240 {
		return nil, refusal(http.StatusConflict, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role %s", r.name)
	}
	r.policies[in.Text("PolicyName")] = p
	return nil, nil
}

// rolePolicy finds the policy that a request is about.
func (c *call) rolePolicy(in fields) (*role, policy, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, policy{}, err
	}
	p, ok := r.policies[in.Text("PolicyName")]
	if !ok {
		return nil, policy{}, noEntity("role policy", in.Text("PolicyName"))
	}
	return r, p, nil
}

func getRolePolicy(c *call, in fields) (fields, error) {
	r, p, err := c.rolePolicy(in)
	if err != nil {
		return nil, err
	}
	return fields{"RoleName": r.name, "PolicyName": in["PolicyName"], "PolicyDocument": url.QueryEscape(p.text)}, nil
}

func listRolePolicies(c *call, in fields) (fields, error) {
	r, err := c.role(in)
	if err != nil {
		return nil, err
	}
	return fields{"PolicyNames": sortedKeys(r.policies), "IsTruncated": false}, nil
}

// listAttachedRolePolicies knows that there are none: policies that several roles
// share are not done here.
func listAttachedRolePolicies(c *call, in fields) (fields, error) {
	_, err := c.role(in)
	return fields{"AttachedPolicies": []fields{}, "IsTruncated": false}, err
}

func deleteRolePolicy(c *call, in fields) (fields, error) {
	r, _, err := c.rolePolicy(in)
	if err != nil {
		return nil, err
	}
	delete(r.policies, in.Text("PolicyName"))
	return nil, nil
}
