// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// role is one of the project's own.
type role struct {
	title, description, stage string
	permissions               []string
	deleted                   bool
	// purged is one that was deleted a week ago: it cannot be had back, and for a month
	// no other can be given its name.
	purged bool
}

func identityMethods() map[string]handler {
	return map[string]handler{
		"iam.projects.serviceAccounts.create":       createAccount,
		"iam.projects.serviceAccounts.get":          getAccount,
		"iam.projects.serviceAccounts.list":         listAccounts,
		"iam.projects.serviceAccounts.delete":       deleteAccount,
		"iam.projects.serviceAccounts.getIamPolicy": getAccountPolicy,
		"iam.projects.serviceAccounts.setIamPolicy": setAccountPolicy,
		"iam.projects.roles.create":                 createRole,
		"iam.projects.roles.get":                    getRole,
		"iam.projects.roles.patch":                  patchRole,
		"iam.projects.roles.delete":                 deleteRole,
		"iam.projects.roles.undelete":               undeleteRole,
	}
}

func identityNeeds(c *call, _ fields) []need {
	at := project
	for _, name := range []string{"name", "resource"} {
		if p := c.param(name); strings.HasPrefix(p, project+"/serviceAccounts/") {
			at = p
		}
	}
	p := strings.TrimPrefix(c.method.ID, "iam.projects.")
	return []need{{"iam." + strings.Replace(p, "roles.patch", "roles.update", 1), at}}
}

// missing is the refusal of what IAM does not know.
func missing(what, name string) *Error {
	return refusal(http.StatusNotFound, "notFound", "Unknown %s %s", what, name)
}

func (a *account) describe() fields {
	return fields{
		"name": project + "/serviceAccounts/" + a.address, "projectId": Project, "uniqueId": strconv.FormatUint(a.id, 10), "email": a.address,
		"displayName": a.title, "description": a.description, "etag": "MDEwMjE5MjA=", "oauth2ClientId": strconv.FormatUint(a.id, 10),
	}
}

// accountNamed finds the service account that a call is about.
func (c *call) accountNamed(name string) (*account, error) {
	if a := c.accounts[accountOf(name)]; a != nil {
		return a, nil
	}
	return nil, missing("service account", name)
}

func createAccount(c *call, in fields) (fields, error) {
	name := in.Text("accountId")
	if !regexp.MustCompile(`^[a-z]([-a-z0-9]{4,28}[a-z0-9])$`).MatchString(name) {
		return nil, invalid("The account ID %q does not have a length between 6 and 30.", name)
	}
	address := name + "@" + accountDomain
	if c.accounts[address] != nil {
		return nil, exists(project + "/serviceAccounts/" + address)
	}
	about := in.Sub("serviceAccount")
	a := &account{address: address, id: c.id(), title: about.Text("displayName"), description: about.Text("description")}
	c.accounts[address] = a
	return a.describe(), nil
}

func getAccount(c *call, _ fields) (fields, error) {
	a, err := c.accountNamed(c.param("name"))
	if err != nil {
		return nil, err
	}
	return a.describe(), nil
}

func listAccounts(c *call, _ fields) (fields, error) {
	var list []fields
	for _, address := range sortedKeys(c.accounts) {
		list = append(list, c.accounts[address].describe())
	}
	return fields{"accounts": list}, nil
}

func deleteAccount(c *call, _ fields) (fields, error) {
	a, err := c.accountNamed(c.param("name"))
	if err != nil {
		return nil, err
	}
	delete(c.accounts, a.address)
	delete(c.policies, project+"/serviceAccounts/"+a.address)
	c.bereave(a)
	return fields{}, nil
}

func getAccountPolicy(c *call, _ fields) (fields, error) {
	if _, err := c.accountNamed(c.param("resource")); err != nil {
		return nil, err
	}
	return c.describePolicy(c.param("resource"), c.parameters.Number("options.requestedPolicyVersion", 1))
}

func setAccountPolicy(c *call, in fields) (fields, error) {
	if _, err := c.accountNamed(c.param("resource")); err != nil {
		return nil, err
	}
	return c.changePolicy(c.param("resource"), in.Sub("policy"))
}

func (r *role) describe(name string) fields {
	out := fields{"name": name, "title": r.title, "description": r.description, "stage": cloudtest.OrNil(r.stage), "etag": "BwYB", "includedPermissions": r.permissions}
	if r.deleted {
		out["deleted"] = true
	}
	return out
}

// roleNamed finds the role that a call is about, which may be deleted.
func (c *call) roleNamed() (*role, error) {
	name := c.param("name")
	if r := c.roles[name]; r != nil && !r.purged {
		return r, nil
	}
	return nil, refusal(http.StatusNotFound, "notFound", "The role named %s was not found.", name)
}

func createRole(c *call, in fields) (fields, error) {
	id := in.Text("roleId")
	if !regexp.MustCompile(`^[a-zA-Z0-9_.]{3,64}$`).MatchString(id) {
		return nil, invalid("The role ID %q must be 3 to 64 letters, digits, underscores and periods.", id)
	}
	name := project + "/roles/" + id
	if r := c.roles[name]; r != nil && r.deleted {
		return nil, refusal(http.StatusBadRequest, "failedPrecondition",
			"You can't create a role with role_id (%s) where there is an existing role with that role_id in a deleted state.", id)
	} else if r != nil {
		return nil, exists("A role named " + id + " in " + project)
	}
	r := &role{}
	if err := r.become(in.Sub("role")); err != nil {
		return nil, err
	}
	c.roles[name] = r
	return r.describe(name), nil
}

// become takes over what is said of a role.
func (r *role) become(in fields) error {
	for _, p := range in.Texts("includedPermissions") {
		if !regexp.MustCompile(`^[a-z]+(\.[a-zA-Z]+){2}$`).MatchString(p) {
			return invalid("Permission %s is not valid.", p)
		}
	}
	r.title, r.description, r.stage, r.permissions = in.Text("title"), in.Text("description"), in.Text("stage"), in.Texts("includedPermissions")
	return nil
}

func getRole(c *call, _ fields) (fields, error) {
	r, err := c.roleNamed()
	if err != nil {
		return nil, err
	}
	return r.describe(c.param("name")), nil
}

func patchRole(c *call, in fields) (fields, error) {
	r, err := c.roleNamed()
	switch {
	case err != nil:
		return nil, err
	case c.param("updateMask") != "":
		return nil, c.undone("updateMask")
	case r.deleted:
		return nil, refusal(http.StatusBadRequest, "failedPrecondition", "You can't modify a role in a deleted state.")
	}
	if err := r.become(in); err != nil {
		return nil, err
	}
	return r.describe(c.param("name")), nil
}

func deleteRole(c *call, _ fields) (fields, error) {
	r, err := c.roleNamed()
	if err != nil {
		return nil, err
	}
	if r.deleted {
		return nil, refusal(http.StatusBadRequest, "failedPrecondition", "You can't delete a role that is in a deleted state.")
	}
	r.deleted = true
	return r.describe(c.param("name")), nil
}

func undeleteRole(c *call, _ fields) (fields, error) {
	r, err := c.roleNamed()
	if err != nil {
		return nil, err
	}
	if !r.deleted {
		return nil, refusal(http.StatusBadRequest, "failedPrecondition", "You can't undelete a role that isn't deleted.")
	}
	r.deleted = false
	return r.describe(c.param("name")), nil
}

// PurgeRoles has a week go by for roles that were deleted: they cannot be had back, and
// their names are not free yet.
func (g *GCP) PurgeRoles() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.roles {
		r.purged = r.deleted
	}
}

// granted gives what a service account was given by the project's policy and by those
// of things in it: a role of each line, and whereon.
func (g *GCP) granted() []string {
	var out []string
	for _, path := range sortedKeys(g.policies) {
		for _, b := range g.policies[path].bindings {
			for _, m := range b.members {
				out = append(out, m+" is "+b.role+" on "+path)
			}
		}
	}
	slices.Sort(out)
	return out
}
