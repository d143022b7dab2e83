// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// policy says who may do what on something, and below it.
type policy struct {
	changes  int
	bindings []binding
}

// binding gives members what is in a role, under a condition if there is one.
type binding struct {
	role      string
	members   []string
	condition fields // nil for none
}

// tag is what tells a policy from the one that was there before.
func (p *policy) tag() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08d", p.changes))
}

// project is the path of the project, whose policy is also that of all in it.
const project = "projects/" + Project

// policyOf gives the policy of something, by its path, which is there with it.
func (g *GCP) policyOf(path string) *policy {
	if g.policies[path] == nil {
		g.policies[path] = new(policy)
	}
	return g.policies[path]
}

// member is what a policy calls a service account.
func member(address string) string { return "serviceAccount:" + address }

// may reports whether somebody has a permission on something: by the policy of that,
// or of the project. The owner, and service accounts that stand for them, may do
// anything.
func (g *GCP) may(by, permission, resource string) bool {
	if a := g.accounts[by]; by == Owner || a != nil && a.owner {
		return true
	}
	for _, path := range []string{resource, project} {
		p := g.policies[path]
		if p == nil {
			continue
		}
		for _, b := range p.bindings {
			if slices.Contains(b.members, member(by)) && slices.Contains(g.permissions(b.role), permission) && g.holds(b.condition, resource) {
				return true
			}
		}
	}
	return false
}

// permissions gives what is in a role: one of the project's own, or one of Google's
// that there are here.
func (g *GCP) permissions(name string) []string {
	if r := g.roles[name]; r != nil && !r.deleted {
		return r.permissions
	}
	switch name {
	case "roles/storage.objectUser":
		return []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list", "storage.objects.update"}
	case "roles/iam.serviceAccountUser":
		return []string{"iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list"}
	}
	return nil
}

// holds reports whether a condition holds for something. Of the language that
// conditions are in there is what asks for the end of a name.
func (g *GCP) holds(condition fields, resource string) bool {
	if condition == nil {
		return true
	}
	text := condition.Text("expression")
	got := regexp.MustCompile(`^resource\.name\.endsWith\("([^"]*)"\)$`).FindStringSubmatch(text)
	if got == nil {
		g.errorf("the condition %s is not understood by package gcptest", text)
		return false
	}
	return strings.HasSuffix(resource, got[1])
}

// describePolicy gives a policy to somebody who asks for a version of it: those that
// know nothing of conditions are not told of any.
func (c *call) describePolicy(path string, version int) (fields, error) {
	p := c.policyOf(path)
	out := fields{"etag": p.tag(), "version": 1}
	var list []fields
	for _, b := range p.bindings {
		f := fields{"role": b.role, "members": b.members}
		if b.condition != nil {
			if version < 3 {
				return nil, c.undone("a policy with conditions for those who ask for version " + fmt.Sprint(version))
			}
			out["version"], f["condition"] = 3, b.condition
		}
		list = append(list, f)
	}
	if list != nil {
		out["bindings"] = list
	}
	return out, nil
}

// changePolicy puts a policy in place of one that is still the one that was seen.
func (c *call) changePolicy(path string, in fields) (fields, error) {
	p := c.policyOf(path)
	if tag := in.Text("etag"); tag != "" && tag != p.tag() {
		return nil, refusal(http.StatusConflict, "aborted", "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
	}
	var bindings []binding
	conditional := slices.ContainsFunc(p.bindings, func(b binding) bool { return b.condition != nil })
	for _, f := range in.Subs("bindings") {
		b := binding{role: f.Text("role"), members: f.Texts("members"), condition: f.Sub("condition")}
		conditional = conditional || b.condition != nil
		if strings.HasPrefix(b.role, project+"/roles/") && c.roles[b.role] == nil {
			return nil, refusal(http.StatusBadRequest, "badRequest", "Role %s does not exist in the resource's hierarchy.", b.role)
		}
		for _, m := range b.members {
			address, ok := strings.CutPrefix(m, "serviceAccount:")
			if ok && strings.HasSuffix(address, "@"+accountDomain) && c.accounts[address] == nil {
				return nil, refusal(http.StatusBadRequest, "badRequest", "Service account %s does not exist.", address)
			}
		}
		if len(b.members) > 0 {
			bindings = append(bindings, b)
		}
	}
	if conditional && in.Number("version", 0) != 3 {
		return nil, refusal(http.StatusBadRequest, "badRequest", "To set a policy with conditions, its version must be 3.")
	}
	p.bindings, p.changes = bindings, p.changes+1
	return c.describePolicy(path, 3)
}

// bereave has policies speak of a service account as of one that is gone: nobody of
// the same name is meant by them.
func (g *GCP) bereave(a *account) {
	for _, p := range g.policies {
		for _, b := range p.bindings {
			for i, m := range b.members {
				if m == member(a.address) {
					b.members[i] = fmt.Sprintf("deleted:%s?uid=%d", m, a.id)
				}
			}
		}
	}
}

func resourceMethods() map[string]handler {
	return map[string]handler{
		"cloudresourcemanager.projects.get":                ofProject(describeProject),
		"cloudresourcemanager.projects.getIamPolicy":       ofProject(getProjectPolicy),
		"cloudresourcemanager.projects.setIamPolicy":       ofProject(setProjectPolicy),
		"cloudresourcemanager.projects.testIamPermissions": ofProject(testProjectPermissions),
	}
}

func resourceNeeds(c *call, _ fields) []need {
	_, verb, _ := strings.Cut(c.method.ID, ".projects.")
	if verb == "testIamPermissions" {
		return nil
	}
	return []need{{"resourcemanager.projects." + verb, project}}
}

// ofProject has a method be refused for a project that there is not.
func ofProject(h handler) handler {
	return func(c *call, in fields) (fields, error) {
		for _, name := range []string{"projectId", "resource"} {
			if p := c.param(name); p != "" && p != Project && p != ProjectNumber {
				return nil, forbidden("resourcemanager.projects.get", "projects/"+p) // as of one that is somebody else's
			}
		}
		return h(c, in)
	}
}

func describeProject(*call, fields) (fields, error) {
	return fields{"projectId": Project, "projectNumber": ProjectNumber, "name": "Tests of serve", "lifecycleState": "ACTIVE"}, nil
}

func getProjectPolicy(c *call, in fields) (fields, error) {
	return c.describePolicy(project, in.Sub("options").Number("requestedPolicyVersion", 1))
}

func setProjectPolicy(c *call, in fields) (fields, error) {
	return c.changePolicy(project, in.Sub("policy"))
}

func testProjectPermissions(c *call, in fields) (fields, error) {
	var granted []string
	for _, p := range in.Texts("permissions") {
		if !c.faults.Forbids(p) && c.may(c.by, p, project) {
			granted = append(granted, p)
		}
	}
	out := fields{}
	if granted != nil {
		out["permissions"] = granted
	}
	return out, nil
}
