// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
)

// policy says what is allowed. What is looked at here are the actions: resources
// and conditions are read, but nothing is refused because of them.
type policy struct {
	text       string
	statements []statement
}

// statement is a part of a policy.
type statement struct {
	Sid       string
	Effect    string
	Action    texts
	Resource  texts
	Principal principal
	Condition map[string]map[string]texts
}

// texts is one text, or several, as the language of policies has it.
type texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// principal is who may take on a role.
type principal struct {
	Service, AWS texts
}

// malformed says that a policy is none.
func malformed(why string) error {
	return refusal(http.StatusBadRequest, "MalformedPolicyDocument", "%s", why)
}

// readPolicy understands a policy, or says as IAM does that it is none. A policy of
// trust says who may take on a role, and any other what whoever has it may do.
func readPolicy(text string, trust bool) (policy, error) {
	var document struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&document); err != nil {
		return policy{}, malformed("This policy contains invalid Json")
	}
	if document.Version != "2012-10-17" {
		return policy{}, malformed("The policy must be of version 2012-10-17 here")
	}
	p := policy{text: text}
	list := []byte(document.Statement)
	if len(list) > 0 && list[0] == '{' {
		list = slices.Concat([]byte("["), list, []byte("]"))
	}
	d = json.NewDecoder(strings.NewReader(string(list)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.statements); err != nil || len(p.statements) == 0 {
		return policy{}, malformed("Syntax errors in policy.")
	}
	for _, s := range p.statements {
		if why := s.fault(trust); why != "" {
			return policy{}, malformed(why)
		}
	}
	return p, nil
}

// fault says what is wrong with a statement, if anything is.
func (s statement) fault(trust bool) string {
	named := len(s.Principal.Service)+len(s.Principal.AWS) > 0
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return "Invalid effect: " + s.Effect
	case len(s.Action) == 0:
		return "Policy statement must contain actions."
	case trust && (!named || len(s.Resource) > 0):
		return "AssumeRolepolicy must contain principals, and no resources."
	case !trust && (named || len(s.Resource) == 0):
		return "Policy statement must contain resources, and no principals."
	}
	for _, action := range s.Action {
		if service, name, ok := strings.Cut(action, ":"); action != "*" && (!ok || service == "" || name == "") {
			return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		}
	}
	return ""
}

// says reports whether a policy has a statement of an effect on a permission. One
// with a condition does not deny, as it may be for other calls.
func (p policy) says(effect, permission string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.Effect == effect && (effect == "Allow" || len(s.Condition) == 0) &&
			slices.ContainsFunc(s.Action, func(pattern string) bool {
				ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(permission))
				return ok && err == nil
			})
	})
}

// trusts reports whether a service may take on the role of a policy of trust.
func (p policy) trusts(service string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.Effect == "Allow" && slices.Contains(s.Action, "sts:AssumeRole") && slices.Contains(s.Principal.Service, service)
	})
}

// may reports whether those who have taken on a role may do something.
func (r *role) may(permission string) bool {
	allowed := false
	for _, p := range r.policies {
		if p.says("Deny", permission) {
			return false
		}
		allowed = allowed || p.says("Allow", permission)
	}
	return allowed
}

// permissions are what a call needs, in the words of policies.
func permissions(service, action string, in fields) []string {
	needed := []string{service + ":" + action}
	if service == "s3" {
		needed = []string{s3Permission(action)}
	}
	if service == "ec2" && !strings.HasSuffix(action, "Tags") && len(in.Subs("TagSpecifications")) > 0 {
		needed = append(needed, "ec2:CreateTags")
	}
	if (action == "CreateAutoScalingGroup" || action == "UpdateAutoScalingGroup") && in.Has("LaunchTemplate") {
		needed = append(needed, "ec2:RunInstances")
	}
	if action == "AddRoleToInstanceProfile" || action == "RunInstances" && in.Has("IamInstanceProfile") {
		needed = append(needed, "iam:PassRole")
	}
	return needed
}

// lacks gives what a caller needs for a call and may not do; empty if there is no
// such thing. A user may do everything but what the test has forbidden, and so may
// a role that IAM does not know; everybody may ask who they are.
func (c *call) lacks(service, action string, in fields) string {
	for _, p := range permissions(service, action, in) {
		if c.faults.Forbids(p) {
			return p
		}
		if !c.session.bound || p == "sts:GetCallerIdentity" {
			continue
		}
		if r := find(c.roles, func(r *role) bool { return r.arn() == c.session.Role }); r == nil || !r.may(p) {
			return p
		}
	}
	return ""
}
