// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	refused := func(status int, code string) error {
		return fmt.Errorf("operation error EC2: RunInstances, %w", &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: "said so"},
		})
	}
	for _, row := range []struct {
		name    string
		err     error
		means   error
		unclear bool
	}{
		{"no capacity", refused(500, "InsufficientInstanceCapacity"), serve.ErrCapacity, false},
		{"too many spot machines", refused(400, "MaxSpotInstanceCountExceeded"), serve.ErrQuota, false},
		{"a type the zone does not have", refused(400, "Unsupported"), serve.ErrCapacity, false},
		{"no right", refused(403, "UnauthorizedOperation"), serve.ErrUnauthorized, false},
		{"credentials that have ended", refused(400, "RequestExpired"), serve.ErrUnauthorized, false},
		{"a parameter that is wrong", refused(400, "InvalidParameterValue"), serve.ErrInvalid, false},
		{"an instance that is not known", refused(400, "InvalidInstanceID.NotFound"), serve.ErrNotFound, false},
		{"too many questions", refused(503, "RequestLimitExceeded"), serve.ErrUnreachable, true},
		{"trouble on the other side", refused(500, "InternalError"), serve.ErrUnreachable, true},
		{"an object that has changed", refused(412, "PreconditionFailed"), serve.ErrConflict, false},
		{"an object that is changing", refused(409, "ConditionalRequestConflict"), serve.ErrConflict, false},
		{"an object that is not there", refused(404, "NoSuchKey"), serve.ErrNotFound, false},
		{"a bucket that is not there", refused(404, "NoSuchBucket"), serve.ErrNotFound, false},
		{"a key that S3 does not know", refused(403, "InvalidAccessKeyId"), serve.ErrUnauthorized, false},
		{"too many writes", refused(503, "SlowDown"), serve.ErrUnreachable, true},
		{"an answer that breaks off", io.ErrUnexpectedEOF, serve.ErrUnreachable, true},
		{"a code nobody has heard of", refused(400, "Novelty"), nil, false},
		{"one from a server in trouble", refused(500, "Novelty"), nil, true},
		{"no answer", &smithyhttp.RequestSendError{Err: errors.New("connection reset")}, serve.ErrUnreachable, true},
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
