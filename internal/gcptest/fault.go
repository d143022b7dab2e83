// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// Error is a refusal as Google words it.
type Error struct {
	Code    int    // of HTTP
	Reason  string // such as alreadyExists
	Domain  string // global, if it is empty
	Message string
}

func (e *Error) Error() string { return e.Reason + ": " + e.Message }

// status is what Google calls the meaning of a code, in all of its APIs.
func (e *Error) status() string {
	switch e.Code {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "ALREADY_EXISTS"
	case http.StatusPreconditionFailed:
		return "FAILED_PRECONDITION"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusInternalServerError:
		return "INTERNAL"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	return "INVALID_ARGUMENT"
}

// answer writes a refusal.
func (e *Error) answer() cloudtest.Answer {
	domain := e.Domain
	if domain == "" {
		domain = "global"
	}
	body, err := json.MarshalIndent(map[string]any{"error": map[string]any{
		"code": e.Code, "message": e.Message, "status": e.status(),
		"errors": []any{map[string]any{"message": e.Message, "domain": domain, "reason": e.Reason}},
	}}, "", "  ")
	if err != nil {
		body = []byte(err.Error())
	}
	return cloudtest.Said(e.Code, "application/json; charset=UTF-8", body)
}

// refusal makes an error.
func refusal(code int, reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// invalid is the refusal of a value.
func invalid(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "invalid", format, args...)
}

// notFound is the refusal of what is not there, by its path.
func notFound(path string) *Error {
	return refusal(http.StatusNotFound, "notFound", "The resource '%s' was not found", path)
}

// exists is the refusal of a name that is taken.
func exists(path string) *Error {
	return refusal(http.StatusConflict, "alreadyExists", "The resource '%s' already exists", path)
}

// forbidden is the refusal of somebody who may not do something.
func forbidden(permission, path string) *Error {
	return refusal(http.StatusForbidden, "forbidden", "Required '%s' permission for '%s'", permission, path)
}

// InternalError is what Google says when it does not know what is wrong.
func InternalError() *Error {
	return refusal(http.StatusInternalServerError, "backendError", "Internal error. Please try again or contact Google Support.")
}

// Unavailable is what a part of Google Cloud that is overloaded says.
func Unavailable() *Error {
	return refusal(http.StatusServiceUnavailable, "backendError", "The service is currently unavailable.")
}

// Throttled is what Compute Engine says to those who ask too much.
func Throttled() *Error {
	e := refusal(http.StatusForbidden, "rateLimitExceeded", "Rate Limit Exceeded")
	e.Domain = "usageLimits"
	return e
}

// Call is a request that Google understands and is about to carry out.
type Call struct {
	Method     string         // such as compute.instances.insert
	Caller     string         // who calls
	Parameters map[string]any // by the names in the model
	In         map[string]any // the content
	Time       time.Time
}

// Verdict says what becomes of a call. The zero value lets it be.
type Verdict = cloudtest.Verdict[Error]

// Controls are how a test has things go wrong.
type Controls = cloudtest.Controls[Call, Error]

// judge says what becomes of a call: whether it is allowed, too much, or to go wrong
// because the test says so.
func (g *GCP) judge(c *call, in fields) Verdict {
	if err := c.permitted(in); err != nil {
		return Verdict{Err: err}
	}
	if c.service.name == "compute" && !g.take(c) {
		return Verdict{Err: Throttled()}
	}
	return g.faults.Judge(c.method.ID, nil, func() Call {
		return Call{Method: c.method.ID, Caller: c.by, Parameters: c.parameters, In: in, Time: c.now}
	})
}

// take takes from the allowance of a group of methods, and reports whether there was
// enough. The sizes are those that Compute Engine's guide gives under "Rate quotas",
// which are counted by the minute.
func (g *GCP) take(c *call) bool {
	const minute = 1500.0
	group := "mutations"
	switch {
	case c.operation():
		group = "operation reads"
	case c.method.HTTPMethod == http.MethodGet:
		group = "reads"
	}
	return g.faults.Draw(c.now, group, 1, minute, minute/60)
}
