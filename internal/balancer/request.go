// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// errMalformed is a request that cannot be written down for a backend. The
// server lets none through; but what is written to a backend is one stream of
// bytes, in which a line too many would be a request of its own.
var errMalformed = errors.New("the request has characters that a request cannot have")

// check refuses what must not be written to a backend.
func check(r *http.Request) error {
	if !validToken(r.Method) || r.URL.Opaque != "" || strings.ContainsFunc(r.Host, func(c rune) bool { return c <= ' ' || c == 0x7f }) ||
		!validValue(r.URL.RawQuery) || strings.ContainsRune(r.URL.RawQuery, ' ') {
		return errMalformed
	}
	for name, values := range r.Header {
		if !validToken(name) {
			return errMalformed
		}
		for _, value := range values {
			if !validValue(value) {
				return errMalformed
			}
		}
	}
	return nil
}

// hasBody reports whether a request has a body, be it of unknown length.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

// appendHead appends the head of a request as a backend at an address gets it.
func appendHead(p []byte, r *http.Request, address string) []byte {
	p = append(append(p, r.Method...), ' ')
	p = append(append(p, r.URL.RequestURI()...), " HTTP/1.1\r\n"...)
	host := r.Host
	if host == "" {
		host = address // HTTP/1.1 needs one
	}
	p = appendField(p, "Host", host)
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		if !passesOn(name) || connection != nil && hasToken(connection, name) {
			continue
		}
		for _, value := range values {
			p = appendField(p, name, value)
		}
	}
	if hasToken(r.Header["Te"], "trailers") {
		p = appendField(p, "Te", "trailers")
	}
	if upgrade := upgradeOf(r.Header); upgrade != "" {
		p = appendField(appendField(p, "Connection", "Upgrade"), "Upgrade", upgrade)
	}
	p = appendForwarded(p, r)
	p = appendFraming(p, r)
	return append(p, "\r\n"...)
}

// passesOn reports whether a field of a request is copied as it is.
func passesOn(name string) bool {
	switch name {
	case "Host", "Content-Length", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return false // ours to say
	}
	return !hopByHop(name)
}

// appendForwarded tells of the client. We are one more on the way from it.
func appendForwarded(p []byte, r *http.Request) []byte {
	if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		p = append(p, "X-Forwarded-For: "...)
		for _, before := range r.Header["X-Forwarded-For"] {
			p = append(append(p, before...), ", "...)
		}
		p = append(append(p, ip...), "\r\n"...)
	}
	p = appendField(p, "X-Forwarded-Host", r.Host)
	if r.TLS != nil {
		return appendField(p, "X-Forwarded-Proto", "https")
	}
	return appendField(p, "X-Forwarded-Proto", "http")
}

// appendFraming says how long the body is.
func appendFraming(p []byte, r *http.Request) []byte {
	switch {
	case !hasBody(r):
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			return appendField(p, "Content-Length", "0") // some backends insist
		}
		return p
	case r.ContentLength > 0:
		p = append(p, "Content-Length: "...)
		return append(strconv.AppendInt(p, r.ContentLength, 10), "\r\n"...)
	}
	for name := range r.Trailer {
		if !validToken(name) {
			continue
		}
		p = appendField(p, "Trailer", name)
	}
	return appendField(p, "Transfer-Encoding", "chunked")
}

func appendField(p []byte, name, value string) []byte {
	p = append(append(p, name...), ": "...)
	return append(append(p, value...), "\r\n"...)
}
