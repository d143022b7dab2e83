// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// receiver reads the frames of one stream.
type receiver struct {
	x  *exchange
	in *json.Decoder
}

func newReceiver(x *exchange) *receiver {
	return &receiver{x: x, in: json.NewDecoder(x)}
}

// each reads frames until use returns false or the stream ends.
func (r *receiver) each(use func(frame) bool) error {
	for {
		f, err := r.next()
		if err != nil || f.End || !use(f) {
			return err
		}
	}
}

// next reads one frame. Where the answer ends without a last frame the stream
// was not whole, which is an error.
func (r *receiver) next() (frame, error) {
	var f frame
	err := r.in.Decode(&f)
	switch {
	case r.x.caller.Err() != nil:
		return f, r.x.explain(err) // whatever the controller made of that
	case err == nil && f.Error != nil:
		return f, f.Error.err()
	case err == nil || errors.Is(err, serve.ErrUnreachable):
		return f, err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return f, r.x.explain(errors.New("the answer broke off"))
	default:
		return f, fmt.Errorf("reading the controller's answer: %w", err)
	}
}

// logReader joins the parts of a log again.
type logReader struct {
	*receiver
	rest []byte
	err  error
}

// Read implements [io.Reader].
func (l *logReader) Read(p []byte) (int, error) {
	for len(l.rest) == 0 && l.err == nil {
		var f frame
		f, l.err = l.next()
		if l.rest = f.Data; f.End {
			l.err = io.EOF
		}
	}
	if len(l.rest) == 0 {
		return 0, l.err
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (l *logReader) Close() error { return l.x.Close() }

var _ io.ReadCloser = (*logReader)(nil)

// tellService and tellEvent take their part of a frame, and pass over
// heartbeats and whatever a newer controller may send besides.

func tellService(tell func(serve.Service) bool) func(frame) bool {
	return func(f frame) bool { return f.Service == nil || tell(*f.Service) }
}

func tellEvent(tell func(serve.Event) bool) func(frame) bool {
	return func(f frame) bool { return f.Event == nil || tell(*f.Event) }
}
