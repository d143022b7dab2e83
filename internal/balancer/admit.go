// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Why a request is not let in. It does not count as one of the service's.
var (
	errConnect  = errors.New("the method CONNECT is not supported") // a tunnel to anywhere is not ours to give
	errNoKey    = errors.New("it shows none of the keys, neither as a bearer token nor in " + keyHeader)
	errTooLarge = errors.New("its body is larger than the service takes")
)

// admit refuses what is not let in, and prepares the others.
func (x *exchange) admit(r *rules) error {
	switch {
	case x.request.Method == http.MethodConnect:
		return errConnect
	case !r.admits(x.request):
		return errNoKey
	case r.maxBody > 0 && x.request.ContentLength > r.maxBody:
		return errTooLarge
	}
	if r.maxBody > 0 && x.body.source != nil {
		x.body.source = http.MaxBytesReader(x.client, x.request.Body, r.maxBody)
	}
	x.sticky = x.session(*r)
	return nil
}

// note writes the request into the access log.
func (x *exchange) note() {
	var replica int64
	if x.backend != nil {
		replica = x.backend.id
	}
	r := x.request
	x.balancer.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("client", r.RemoteAddr), slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.URL.Path),
		slog.String("protocol", r.Proto), slog.Int("status", x.status), slog.Int64("bytes", x.written),
		slog.Duration("took", time.Since(x.began)), slog.Int64("replica", replica))
}
