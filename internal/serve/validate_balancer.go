// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"encoding/hex"
	"slices"
)

// maxKeys bounds the keys of an endpoint, all of which are compared with that of
// every request.
const maxKeys = 100

// validate checks the settings of the endpoint.
func (lb LoadBalancer) validate(es *FieldErrors) {
	const at = "load_balancer."
	es.period(at+"stream_timeout_seconds", lb.StreamTimeoutSeconds)
	es.delay(at+"drain_timeout_seconds", lb.DrainTimeoutSeconds)
	if lb.MaxRequestBytes < 0 {
		es.add(at+"max_request_bytes", nil, "%d bytes is negative; leave it out to have no limit.", lb.MaxRequestBytes)
	}
	if n := len(lb.APIKeyDigests); n > maxKeys {
		es.add(at+"api_key_digests", nil, "There are %d keys; at most %d are allowed.", n, maxKeys)
	}
	for i, digest := range lb.APIKeyDigests {
		if sum, err := hex.DecodeString(digest); err != nil || len(sum) != 32 {
			es.add(item(at+"api_key_digests", i), nil, "It is not the SHA-256 digest of a key in hexadecimal, 64 digits; write sha256(KEY), and never the key itself.")
		} else if slices.Index(lb.APIKeyDigests, digest) < i {
			es.add(item(at+"api_key_digests", i), nil, "The key is there twice.")
		}
	}
	lb.SessionAffinity.validate(es, at+"session_affinity")
}

// validate checks that sessions are told apart by one thing.
func (a *SessionAffinity) validate(es *FieldErrors, at string) {
	switch {
	case a == nil:
	case a.Cookie == "" && a.Header == "":
		es.add(at, []string{at + ".cookie", at + ".header"}, "Nothing tells sessions apart; name a cookie or a header.")
	case a.Cookie != "" && a.Header != "":
		es.add(at+".header", []string{at + ".cookie"}, "Sessions are told apart by a cookie or by a header; leave one of them out.")
	case a.Cookie != "" && !consistsOf(a.Cookie, isTokenRune):
		es.add(at+".cookie", nil, "%q is not the name of a cookie: it has letters, digits, \"-\" and \"_\".", a.Cookie)
	case a.Header != "" && !consistsOf(a.Header, isTokenRune):
		es.add(at+".header", nil, "%q is not the name of an HTTP header.", a.Header)
	}
}
