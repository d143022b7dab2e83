// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// meaning gives what the API server answered one of the meanings of package serve.
// An answer that has none of them stays as it is.
func meaning(err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%w: %w", serve.ErrConflict, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: %w", serve.ErrUnauthorized, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Errorf("%w: %w", serve.ErrInvalid, err)
	case silent(err):
		return fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	default:
		return err
	}
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
