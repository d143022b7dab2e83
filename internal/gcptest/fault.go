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
	return cloudtest.Answer{Status: e.Code, Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, Body: body}
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

// faults are what goes wrong, with the cloud locked.
type faults struct {
	cloudtest.Faults[Call, Error]

	allowances     cloudtest.Allowances
	throttled      bool
	lag            time.Duration
	expectRefusals bool
	down           bool
	lost           map[string]bool // zones that nobody is told of
}

// Fault has hook judge every call from now on. It is called with the cloud locked, in
// the order of the calls, and must not call methods of it. Nil judges no more.
func (g *GCP) Fault(hook func(Call) Verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.Faults.Fault(hook)
}

// FailNext has the next calls of a method, such as compute.instances.insert, fail
// with errs, one after the other.
func (g *GCP) FailNext(method string, errs ...*Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.Faults.FailNext(method, errs...)
}

// LoseNext has the answer of the next call of a method be lost: what was asked is
// done, but the connection is cut.
func (g *GCP) LoseNext(method string) { g.FailNext(method, nil) }

// Forbid takes permissions, such as compute.instances.create, away from everybody.
func (g *GCP) Forbid(permissions ...string) { g.permit(false, permissions) }

// Allow gives them back.
func (g *GCP) Allow(permissions ...string) { g.permit(true, permissions) }

func (g *GCP) permit(allowed bool, permissions []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.Permit(allowed, permissions)
}

// Throttle has Compute Engine limit how often it is asked as it does for every
// project, or not. It does not at first.
func (g *GCP) Throttle(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.throttled = on
	g.faults.allowances = cloudtest.Allowances{}
}

// Lag is for how long a new instance is not in lists, and one that ends is there as
// before. Whoever asks for it by its name is told the truth.
func (g *GCP) Lag(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.lag = d
}

// ExpectRefusals has requests that depart from the model be refused without the test
// failing: for tests of just that.
func (g *GCP) ExpectRefusals() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.expectRefusals = true
}

// judge says what becomes of a call: whether it is allowed, too much, or to go wrong
// because the test says so.
func (g *GCP) judge(c *call, in fields) Verdict {
	if err := c.permitted(in); err != nil {
		return Verdict{Err: err}
	}
	if g.faults.throttled && c.service.name == "compute" && !g.take(c) {
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
	return g.faults.allowances.Draw(c.now, group, 1, minute, minute/60)
}
