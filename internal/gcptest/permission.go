// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"net/http"
	"slices"
	"strings"
)

// need is a permission that a call asks for, and on what.
type need struct{ permission, resource string }

// permitted says why a call is not permitted, if it is not.
func (c *call) permitted(in fields) *Error {
	if len(c.method.Scopes) > 0 && !slices.ContainsFunc(c.scopes, func(s string) bool { return slices.Contains(c.method.Scopes, s) }) {
		return refusal(http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
	}
	for _, n := range c.service.needs(c, in) {
		c.books.ask(c.by, n.permission)
		if c.faults.Forbids(n.permission) || !c.may(c.by, n.permission, n.resource) {
			return forbidden(n.permission, n.resource)
		}
	}
	return nil
}

// permission gives the one that a method asks for by its name: a method that lists is
// one that lists, however it does.
func permission(method string) string {
	at := strings.LastIndex(method, ".")
	what, verb := method[:at], method[at+1:]
	switch verb {
	case "insert":
		verb = "create"
	case "aggregatedList":
		verb = "list"
	case "patch":
		verb = "update"
	case "wait":
		verb = "get"
	}
	return what + "." + verb
}
