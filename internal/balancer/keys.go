// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// keyHeader is where a key may stand, beside "Authorization: Bearer".
const keyHeader = "X-Api-Key"

// admits reports whether a request shows one of the keys, if there are any. How
// long it takes says nothing about them: what is compared are digests, all of them.
func (r rules) admits(req *http.Request) bool {
	if len(r.keys) == 0 {
		return true
	}
	shown := req.Header.Get(keyHeader)
	if scheme, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok && shown == "" && strings.EqualFold(scheme, "Bearer") {
		shown = strings.TrimSpace(token)
	}
	digest := sha256.Sum256([]byte(shown))
	found := 0
	for _, key := range r.keys {
		found |= subtle.ConstantTimeCompare(digest[:], key[:])
	}
	return found == 1 && shown != ""
}
