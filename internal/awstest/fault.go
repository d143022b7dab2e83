// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// Error is a refusal as AWS words it.
type Error struct {
	Status  int    // of HTTP
	Code    string // such as InsufficientInstanceCapacity
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// refusal makes an error.
func refusal(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is the commonest refusal of EC2.
func invalid(format string, args ...any) *Error {
	return refusal(http.StatusBadRequest, "InvalidParameterValue", format, args...)
}

// InternalError is what EC2 says when it does not know what is wrong.
func InternalError() *Error {
	return refusal(http.StatusInternalServerError, "InternalError", "An internal error has occurred")
}

// Unavailable is what a part of EC2 that is overloaded says.
func Unavailable() *Error {
	return refusal(http.StatusServiceUnavailable, "Unavailable", "The service is unavailable. Please try again shortly.")
}

// Throttled is what EC2 says to those who ask too much.
func Throttled() *Error {
	return refusal(http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
}

// NoCapacity is what EC2 says when a pool of machines is empty.
func NoCapacity() *Error {
	return refusal(http.StatusInternalServerError, "InsufficientInstanceCapacity",
		"We currently do not have sufficient capacity in the Availability Zone you requested.")
}

// SpotQuota is what EC2 says when the account may have no more spot machines.
func SpotQuota() *Error {
	return refusal(http.StatusBadRequest, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
}

// isCapacity reports whether a launch was refused for what others have of a pool,
// or of the quota. One that has been made is not refused so when it is asked for
// again.
func (e *Error) isCapacity() bool {
	return e != nil && (e.Code == NoCapacity().Code || e.Code == SpotQuota().Code)
}

// Call is a request that AWS understands and is about to carry out.
type Call struct {
	Service string // ec2, ssm, ...
	Action  string
	Region  string
	Caller  string         // the ARN of whoever calls
	In      map[string]any // the parameters, by the names in the model
	Time    time.Time
}

// Verdict says what becomes of a call. The zero value lets it be.
type Verdict = cloudtest.Verdict[Error]

// Controls are how a test has things go wrong.
type Controls = cloudtest.Controls[Call, Error]

// judge says what becomes of a call: whether it is allowed, too much, or to go
// wrong because the test says so.
func (a *AWS) judge(c *call, srv *service, action string, in fields) Verdict {
	if permission := c.lacks(srv.name, action, in); permission != "" {
		return Verdict{Err: srv.protocol.forbidden(c.by, permission)}
	}
	if srv.name == "ec2" && !a.take(c, action, in) {
		return Verdict{Err: Throttled()}
	}
	if in.Flag("DryRun") {
		return Verdict{Err: refusal(http.StatusPreconditionFailed, "DryRunOperation",
			"Request would have succeeded, but DryRun flag is set.")}
	}
	spares := func(e *Error) bool { return e.isCapacity() && c.region.launches[in.Text("ClientToken")] != nil }
	return a.faults.Judge(action, spares, func() Call {
		return Call{Service: srv.name, Action: action, Region: c.region.name, Caller: c.by, In: in, Time: c.now}
	})
}

// seen is the moment that descriptions are of.
func (c *call) seen() time.Time { return c.now.Add(-c.faults.Behind) }

// take takes tokens from the allowances of an action, and reports whether there
// were enough. The sizes are those that EC2's guide for developers gives under
// "Request throttling for the Amazon EC2 API".
func (a *AWS) take(c *call, action string, in fields) bool {
	size, rate := limits(action, in)
	if !a.draw(c, action, 1, size, rate) {
		return false
	}
	// Beside requests, EC2 counts how many machines are asked for.
	switch action {
	case "RunInstances":
		return a.draw(c, action+" machines", float64(in.Number("MinCount", 1)), 1000, 2)
	case "TerminateInstances":
		return a.draw(c, action+" machines", float64(len(in.Texts("InstanceIds"))), 1000, 20)
	}
	return true
}

func (a *AWS) draw(c *call, what string, n, size, rate float64) bool {
	return a.faults.Draw(c.now, c.region.name+" "+what, n, size, rate)
}

// limits gives how many requests an action takes at once, and a second.
func limits(action string, in fields) (size, rate float64) {
	switch {
	case action == "RunInstances":
		return 5, 2
	case action == "TerminateInstances":
		return 100, 5
	case action == "CreateTags", action == "DeleteTags":
		return 100, 10
	case !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get"):
		return 50, 5
	case len(in.Subs("Filters")) == 0 && !in.Has("MaxResults") && !named(in):
		return 50, 10 // neither filtered nor in pages
	}
	return 100, 20
}

// named reports whether a description is asked of certain things only.
func named(in fields) bool {
	for name := range in {
		if strings.HasSuffix(name, "Ids") || strings.HasSuffix(name, "Names") || name == "InstanceTypes" {
			return true
		}
	}
	return false
}
