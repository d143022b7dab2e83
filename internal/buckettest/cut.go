// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package buckettest

import (
	"errors"
	"io"
	"net/http"
)

// Cut is a way to a vendor that can be cut off in one direction: what is asked is done,
// and its answer lost.
type Cut struct {
	http.RoundTripper
	Off bool
}

// RoundTrip implements [http.RoundTripper].
func (c *Cut) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if c.Off && err == nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, answer.Body.Close())
	}
	return answer, err
}
