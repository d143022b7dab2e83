// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"net/http"
	"strings"
)

// hopByHop reports whether a field concerns one connection only and is not
// passed on (RFC 9110, section 7.6.1), or says how a message is framed, which
// is decided anew for each side: what the next one is told is never copied from
// what the last one said, so that the two cannot disagree on where a message ends.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// hasToken reports whether a list, spread over any number of fields, has a token.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for more := true; more; {
			var item string
			item, value, more = strings.Cut(value, ",")
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// upgradeOf is the protocol a message asks or agrees to switch to.
func upgradeOf(h http.Header) string {
	if !hasToken(h["Connection"], "Upgrade") {
		return ""
	}
	return h.Get("Upgrade")
}

// validToken reports whether s can be a method or the name of a field.
func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// validValue reports whether s can be the value of a field.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
