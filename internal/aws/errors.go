// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// meaning gives an error of AWS, or of the way to it, one of the meanings of
// package serve, and keeps its words. The codes are those of "Error codes for the
// Amazon EC2 API", and of "Error responses" in the reference of S3.
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
	if fault, ok := errors.AsType[smithy.APIError](err); ok {
		return meaningOfCode(fault.ErrorCode())
	}
	if _, ok := errors.AsType[*aws.MissingRegionError](err); ok {
		return serve.ErrInvalid
	}
	if fleet.IsOver(err) {
		return nil
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return serve.ErrUnreachable
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return serve.ErrUnreachable // an answer may break off, too
	}
	if _, ok := errors.AsType[ratelimit.QuotaExceededError](err); ok {
		return serve.ErrUnreachable
	}
	return nil
}

// meaningOfCode sorts the codes. What AWS calls a limit on an account is a quota,
// and what it cannot give just now is capacity.
func meaningOfCode(code string) error {
	switch code {
	case "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity", "SpotMaxPriceTooLow",
		"InsufficientReservedInstanceCapacity", "InsufficientFreeAddressesInSubnet", "Unsupported", "UnfulfillableCapacity":
		// Unsupported is a type in a zone that does not have it, and that is where
		// another zone may do.
		return serve.ErrCapacity
	case "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded", "VolumeLimitExceeded",
		"SecurityGroupLimitExceeded", "PendingVerification", "MaxSpotFleetRequestCountExceeded":
		return serve.ErrQuota
	case "UnauthorizedOperation", "AuthFailure", "AccessDenied", "AccessDeniedException", "UnrecognizedClientException",
		"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "OptInRequired",
		"RequestExpired", "Blocked", "InvalidSignatureException", "MissingAuthenticationToken",
		"InvalidAccessKeyId", "InvalidToken", "AccountProblem", "AllAccessDisabled", "Forbidden":
		return serve.ErrUnauthorized
	case "RequestLimitExceeded", "Throttling", "ThrottlingException", "InternalError", "InternalFailure", "ServiceUnavailable",
		"Unavailable", "InternalServerError", "ServerInternal", "SlowDown", "RequestTimeout":
		return serve.ErrUnreachable
	case "IdempotentParameterMismatch", "DependencyViolation", "InvalidGroup.Duplicate", "InvalidPermission.Duplicate",
		"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "BucketNotEmpty":
		return serve.ErrConflict
	case "NoSuchKey", "NoSuchBucket", "NoSuchEntity", "NotFound", "ParameterNotFound":
		return serve.ErrNotFound
	}
	switch {
	case strings.HasSuffix(code, ".NotFound"), strings.HasSuffix(code, "NotFoundException"):
		return serve.ErrNotFound
	case strings.HasPrefix(code, "Invalid"), strings.HasPrefix(code, "Missing"), strings.HasPrefix(code, "Malformed"),
		code == "UnknownParameter", code == "UnsupportedOperation", code == "ValidationException", code == "BadDigest", code == "EntityTooLarge",
		// A bucket that is in another region.
		code == "PermanentRedirect", code == "MovedPermanently", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException":
		return serve.ErrInvalid
	}
	return nil
}

// hasCode reports whether AWS has refused with one of the codes.
func hasCode(err error, codes ...string) bool {
	fault, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, fault.ErrorCode())
}

// unclear reports whether a call may have been carried out or not. What AWS has
// refused with a code of its own, or as a fault of ours, it has not carried out.
func unclear(err error) bool {
	switch m := meaningOf(err); {
	case fleet.IsOver(err), errors.Is(m, serve.ErrUnreachable):
		return true
	case m != nil:
		return false
	}
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return !ok || answer.HTTPStatusCode() >= 500
}

// sentence gives an error in words for people: what AWS has refused by its own
// words and code, and anything else without the meaning it was given.
func sentence(err error) string {
	text := err.Error()
	call, ours := errors.AsType[*smithy.OperationError](err)
	fault, theirs := errors.AsType[smithy.APIError](err)
	if ours && theirs {
		before, _, _ := strings.Cut(text, call.Error())
		text = fmt.Sprintf("%s%s refuses %s (%s): %s", before, call.Service(), call.Operation(), fault.ErrorCode(), fault.ErrorMessage())
	}
	return fleet.Sentence(text)
}
