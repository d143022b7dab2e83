// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// failure is an operation that has failed: Compute Engine had taken the call, and
// then could not carry it out.
type failure struct {
	operation string // "insert"
	status    int    // of HTTP, as it would have been
	codes     []string
	words     []string
}

// Error gives the words of Compute Engine and its codes.
func (f *failure) Error() string {
	return fmt.Sprintf("%s has failed: %s (%s)", f.operation, strings.Join(f.words, "; "), strings.Join(f.codes, ", "))
}

// meaning gives an error of Google Cloud, or of the way to it, one of the meanings of
// package serve, and keeps its words.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	if m := meaningOf(err); m != nil && !errors.Is(err, m) {
		return fmt.Errorf("%w: %w", m, err)
	}
	return err
}

func meaningOf(err error) error {
	if codes, status, answered := refusal(err); answered {
		for _, code := range codes {
			if m := meaningOfCode(code); m != nil {
				return m
			}
		}
		return meaningOfStatus(status)
	}
	if fleet.IsOver(err) {
		return nil
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return serve.ErrUnreachable // an answer may break off, too
	}
	return nil
}

// refusal gives the codes of what Google has answered, the closest first, and the
// status of HTTP; not answered is what has not come back from Google.
func refusal(err error) (codes []string, status int, answered bool) {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.codes, f.status, true
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		for _, detail := range e.Details {
			if d, ok := detail.(map[string]any); ok {
				if reason, ok := d["reason"].(string); ok {
					codes = append(codes, reason)
				}
			}
		}
		for _, item := range e.Errors {
			codes = append(codes, item.Reason)
		}
		return codes, e.Code, true
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Response != nil {
		// RFC 6749 has every refusal of a token be a 400 or a 401, and says why in words
		// that the library keeps to itself.
		if e.Response.StatusCode < http.StatusInternalServerError {
			return nil, http.StatusUnauthorized, true
		}
		return nil, e.Response.StatusCode, true
	}
	return nil, 0, false
}

// meaningOfCode sorts the codes: those of operations, which are in capitals, the
// reasons of the calls themselves, and those of google.rpc.ErrorInfo. What the project
// may not have is a quota, and what Google cannot give just now is capacity.
func meaningOfCode(code string) error {
	switch code {
	case "ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "REGION_RESOURCE_POOL_EXHAUSTED", "STOCKOUT",
		"RESOURCE_POOL_EXHAUSTED", "VM_MIN_COUNT_NOT_REACHED", "IP_SPACE_EXHAUSTED", "IP_SPACE_EXHAUSTED_WITH_DETAILS", "insufficientCapacity",
		"UNSUPPORTED_OPERATION", "unsupportedOperation":
		// Unsupported is a type, or a type in a market, that the zone does not have, and
		// that is where another zone may do.
		return serve.ErrCapacity
	case "QUOTA_EXCEEDED", "QUOTA_LIMIT_EXCEEDED", "quotaExceeded", "LIMIT_EXCEEDED", "limitExceeded":
		return serve.ErrQuota
	case "PERMISSIONS_ERROR", "PERMISSION_DENIED", "forbidden", "accessNotConfigured", "insufficientPermissions", "authError",
		"IAM_PERMISSION_DENIED", "SERVICE_DISABLED", "BILLING_DISABLED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "USER_PROJECT_DENIED",
		"ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "CREDENTIALS_MISSING", "SECURITY_POLICY_VIOLATED":
		return serve.ErrUnauthorized
	case "rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_OPERATION_RATE_EXCEEDED", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE",
		"backendError", "internalError":
		return serve.ErrUnreachable
	case "RESOURCE_ALREADY_EXISTS", "alreadyExists", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "resourceInUseByAnotherResource",
		"RESOURCE_NOT_READY", "resourceNotReady", "conditionNotMet", "conflict":
		return serve.ErrConflict
	case "RESOURCE_NOT_FOUND", "notFound":
		return serve.ErrNotFound
	case "INVALID_FIELD_VALUE", "INVALID_USAGE", "CONDITION_NOT_MET", "badRequest", "invalid", "required", "parseError", "API_KEY_INVALID":
		return serve.ErrInvalid // CONDITION_NOT_MET is a policy of the organisation
	}
	return nil
}

// meaningOfStatus sorts what has no code, or one that nobody has heard of.
func meaningOfStatus(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return serve.ErrUnauthorized
	case status == http.StatusNotFound:
		return serve.ErrNotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return serve.ErrConflict
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return serve.ErrUnreachable
	case status == http.StatusBadRequest:
		return serve.ErrInvalid
	}
	return nil
}

// hasCode reports whether Google has refused with one of the codes.
func hasCode(err error, codes ...string) bool {
	given, _, _ := refusal(err)
	return slices.ContainsFunc(given, func(code string) bool { return slices.Contains(codes, code) })
}

// unclear reports whether a call may have been carried out or not. What Google has
// refused as a fault of ours, or by an operation that has failed, it has not, and
// neither what there is no machine or no quota for, whichever status it says so with.
func unclear(err error) bool {
	if m := meaningOf(err); errors.Is(m, serve.ErrCapacity) || errors.Is(m, serve.ErrQuota) {
		return false
	}
	_, status, answered := refusal(err)
	return !answered || status == http.StatusRequestTimeout || status >= http.StatusInternalServerError && !isFailure(err)
}

func isFailure(err error) bool {
	_, ok := errors.AsType[*failure](err)
	return ok
}

// sentence gives an error in words for people: what Google has refused by its own
// words and code, and anything else without the meaning it was given.
func sentence(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*googleapi.Error](err); ok && e.Message != "" {
		before, _, _ := strings.Cut(text, "googleapi: ")
		codes, _, _ := refusal(err)
		if len(codes) == 0 {
			codes = []string{http.StatusText(e.Code)}
		}
		text = fmt.Sprintf("%sGoogle Cloud refuses (%s): %s", before, codes[0], e.Message)
	}
	return fleet.Sentence(text)
}
