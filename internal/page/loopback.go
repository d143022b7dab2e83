// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// OnlyLoopback answers only those who call this machine by a name of its own. A
// page of any website may have a browser ask an address on loopback, under the
// website's name (DNS rebinding), and would be let read what has no login.
func OnlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsLoopback(r.Host) {
			http.Error(w, "this page answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// IsLoopback reports whether "host" or "host:port" means this machine and
// nobody else. A name other than localhost could mean anything.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
