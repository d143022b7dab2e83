// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// refused is an answer of Google.
func refused(status int, body string) error {
	return fmt.Errorf("inserting: %w", googleapi.CheckResponseWithBody(&http.Response{StatusCode: status}, []byte(body)))
}

// reason is the body of an answer with a reason, as Compute Engine has it.
func reason(why, words string) string {
	return fmt.Sprintf(`{"error": {"message": %q, "errors": [{"reason": %q, "message": %q, "domain": "global"}]}}`, words, why, words)
}

func broken(status int, codes ...string) error {
	return fmt.Errorf("making it: %w", &failure{operation: "insert", status: status, codes: codes, words: []string{"said so"}})
}

func TestWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		err     error
		means   error
		unclear bool
	}{
		{"no machine left in the zone", broken(503, "ZONE_RESOURCE_POOL_EXHAUSTED"), serve.ErrCapacity, false},
		{"no machine left in the zone, with the details", broken(503, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"), serve.ErrCapacity, false},
		{"a stockout", broken(503, "STOCKOUT"), serve.ErrCapacity, false},
		{"a type that the zone does not have in this market", broken(400, "UNSUPPORTED_OPERATION"), serve.ErrCapacity, false},
		{"no machine left, said at once", refused(503, reason("ZONE_RESOURCE_POOL_EXHAUSTED", "exhausted")), serve.ErrCapacity, false},
		{"a quota that is used up", broken(403, "QUOTA_EXCEEDED"), serve.ErrQuota, false},
		{"a quota that is used up, said at once", refused(403, reason("quotaExceeded", "Quota 'GPUS_ALL_REGIONS' exceeded.")), serve.ErrQuota, false},
		{"no right", refused(403, reason("forbidden", "Required 'compute.instances.create' permission")), serve.ErrUnauthorized, false},
		{"an API that is not enabled", refused(403, reason("accessNotConfigured", "Compute Engine API has not been used in project")), serve.ErrUnauthorized, false},
		{"a project without billing", refused(403, `{"error": {"code": 403, "message": "no billing", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BILLING_DISABLED"}]}}`), serve.ErrUnauthorized, false},
		{"credentials that have ended", refused(401, reason("authError", "Invalid Credentials")), serve.ErrUnauthorized, false},
		{"a field that is wrong", refused(400, reason("invalid", "Invalid value for field")), serve.ErrInvalid, false},
		{"a policy of the organisation", broken(412, "CONDITION_NOT_MET"), serve.ErrInvalid, false},
		{"an instance that is not there", refused(404, reason("notFound", "was not found")), serve.ErrNotFound, false},
		{"a name that is taken", refused(409, reason("alreadyExists", "already exists")), serve.ErrConflict, false},
		{"metadata that have changed", refused(412, reason("conditionNotMet", "Supplied fingerprint does not match")), serve.ErrConflict, false},
		{"too many questions", refused(403, reason("rateLimitExceeded", "Rate Limit Exceeded")), serve.ErrUnreachable, false},
		{"too many questions, by the status", refused(429, ""), serve.ErrUnreachable, false},
		{"trouble on the other side", refused(500, reason("backendError", "Backend Error")), serve.ErrUnreachable, true},
		{"an operation that broke off there", broken(500, "INTERNAL_ERROR"), serve.ErrUnreachable, false},
		{"a page of a proxy", refused(502, "<html>Bad Gateway</html>"), serve.ErrUnreachable, true},
		{"a code nobody has heard of", refused(418, reason("novelty", "new")), nil, false},
		{"a key that is no good", &auth.Error{Response: &http.Response{StatusCode: 400}, Body: []byte(`{"error": "invalid_grant"}`)}, serve.ErrUnauthorized, false},
		{"an answer that breaks off", io.ErrUnexpectedEOF, serve.ErrUnreachable, true},
		{"no answer", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, serve.ErrUnreachable, true},
		{"nobody waits any more", context.Canceled, nil, true},
	} {
		err := meaning(row.err)
		if row.means != nil && !errors.Is(err, row.means) || row.means == nil && !errors.Is(row.err, err) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.means)
		}
		if !errors.Is(err, row.err) {
			t.Errorf("%s: %v has lost what it was", row.name, err)
		}
		if got := unclear(row.err); got != row.unclear {
			t.Errorf("%s: unclear is %v", row.name, got)
		}
	}
}

func TestPeopleReadGooglesOwnWords(t *testing.T) {
	t.Parallel()
	err := meaning(refused(403, reason("accessNotConfigured", "Compute Engine API has not been used in project 42 before or it is disabled.")))
	want := "Inserting: Google Cloud refuses (accessNotConfigured): Compute Engine API has not been used in project 42 before or it is disabled."
	if got := sentence(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := sentence(fmt.Errorf("gcp.network: %q is no network: %w", "a b", serve.ErrInvalid)); strings.Contains(got, serve.ErrInvalid.Error()) {
		t.Errorf("%s has a word that is ours alone", got)
	}
}
