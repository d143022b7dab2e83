// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"errors"
	"io"
)

// Stream gives an object as a [Bucket] opens it, of which body comes. What goes wrong
// on the way is what failed makes of it, and who closes the stream ends the context
// that it comes by.
func Stream(body io.ReadCloser, end context.CancelFunc, failed func(error) error) io.ReadCloser {
	return &stream{ReadCloser: body, failed: failed, end: end}
}

type stream struct {
	io.ReadCloser
	failed func(error) error
	end    context.CancelFunc
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.failed(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (s *stream) Close() error {
	defer s.end()
	return s.ReadCloser.Close()
}
