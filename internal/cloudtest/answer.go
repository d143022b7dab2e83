// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
)

// Answer is what goes back over the wire.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Lost   bool // instead of going back
}

// Said gives an answer whose body is of a kind, as HTTP names it.
func Said(status int, kind string, body []byte) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: body}
}

// Write writes an answer to whoever has asked. One that is lost is not written, but
// the connection is cut.
func (a Answer) Write(w http.ResponseWriter) {
	if a.Lost {
		panic(http.ErrAbortHandler) // which cuts the connection
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // whoever has gone needs no answer
}

// Client gives a client that needs no network: whatever it is asked, of whatever
// host, is answered within the call itself. No goroutine is started and no time
// passes but time.Now's, so that it can be used within a bubble of testing/synctest.
func Client(answer func(*http.Request) Answer) *http.Client {
	return &http.Client{Transport: direct(answer)}
}

// direct is a cloud without a network.
type direct func(*http.Request) Answer

// RoundTrip implements [http.RoundTripper].
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	got := d(r)
	if got.Lost {
		return nil, errors.New("connection reset by peer")
	}
	header := got.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		Status: http.StatusText(got.Status), StatusCode: got.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(got.Body)),
		Body: io.NopCloser(bytes.NewReader(got.Body)), Request: r,
	}, nil
}
