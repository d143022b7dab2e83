// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// meaning gives an error of the API server or of the way to it one of the
// meanings of package serve, and keeps its words.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	if m := meaningOf(err); m != nil {
		return fmt.Errorf("%w: %w", m, err)
	}
	return err
}

func meaningOf(err error) error {
	switch {
	case apierrors.IsNotFound(err), apierrors.IsGone(err):
		return serve.ErrNotFound
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return serve.ErrConflict
	case apierrors.IsForbidden(err):
		return whyForbidden(err.Error())
	case apierrors.IsUnauthorized(err):
		return serve.ErrUnauthorized
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err):
		return serve.ErrInvalid
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return serve.ErrUnreachable
	}
	if trouble, ok := errors.AsType[*url.Error](err); ok {
		// A program that gives credentials and fails shows as a failed request.
		if strings.Contains(trouble.Error(), "getting credentials") {
			return serve.ErrUnauthorized
		}
		return unlessOver(err)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return unlessOver(err)
	}
	return nil
}

// unlessOver tells a server that does not answer from a caller that has stopped
// waiting for it.
func unlessOver(err error) error {
	if isOver(err) {
		return nil
	}
	return serve.ErrUnreachable
}

// whyForbidden sorts what the API server refuses with one status: by a quota, by
// the rights of who asks ("cannot create resource"), and by what an admission
// rule has against the object itself.
func whyForbidden(text string) error {
	switch {
	case strings.Contains(text, "exceeded quota"):
		return serve.ErrQuota
	case strings.Contains(text, "because it is being terminated"):
		return serve.ErrConflict
	case strings.Contains(text, "violates PodSecurity"), strings.Contains(text, "usage per Pod"), strings.Contains(text, "usage per Container"):
		return serve.ErrInvalid
	default:
		return serve.ErrUnauthorized
	}
}

// isOver reports whether the error is that of a context.
func isOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// silent reports whether the API server has not answered, so that a request may
// have been carried out or not.
func silent(err error) bool {
	if apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err) {
		return true
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code >= 500
	}
	var link *url.Error
	var network net.Error
	return errors.As(err, &link) || errors.As(err, &network)
}
