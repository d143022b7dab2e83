// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// genuine reports whether a request has the signature, of version 4, that AWS
// itself would find for it with the secret key of the caller, and whether its body
// is the one that was signed.
func genuine(r *http.Request, body []byte, s scope) bool {
	header := r.Header.Get("Authorization")
	part := func(name string) string {
		_, rest, _ := strings.Cut(header, name+"=")
		value, _, _ := strings.Cut(rest, ",")
		return strings.TrimSpace(value)
	}
	names := strings.Split(part("SignedHeaders"), ";")
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if told := r.Header.Get("X-Amz-Content-Sha256"); len(told) == len(payload) && told != payload {
		return false
	} else if told != "" {
		payload = told // or a word for what was not summed up
	}
	var headers strings.Builder
	for _, name := range names {
		headers.WriteString(name + ":" + signedValue(r, name) + "\n")
	}
	asked := strings.Join([]string{
		r.Method, strings.ReplaceAll(escape(r.URL.Path), "%2F", "/"), canonicalQuery(r.URL.Query()), headers.String(), part("SignedHeaders"), payload,
	}, "\n")
	at := r.Header.Get("X-Amz-Date")
	if len(at) < 8 || !slices.Contains(names, "host") {
		return false
	}
	sum = sha256.Sum256([]byte(asked))
	place := strings.Join([]string{at[:8], s.region, s.service, "aws4_request"}, "/")
	key := []byte("AWS4" + SecretKey)
	for word := range strings.SplitSeq(place, "/") {
		key = keyed(key, word)
	}
	want := keyed(key, strings.Join([]string{"AWS4-HMAC-SHA256", at, place, hex.EncodeToString(sum[:])}, "\n"))
	return part("Signature") == hex.EncodeToString(want)
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // it never fails
	return h.Sum(nil)
}

// signedValue is what a header has, as it was signed. Some are none on their way
// through net/http.
func signedValue(r *http.Request, name string) string {
	switch {
	case name == "host" && r.Host != "":
		return r.Host
	case name == "host":
		return r.URL.Host
	case name == "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for _, name := range sortedKeys(query) {
		for _, v := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	return strings.Join(pairs, "&")
}

// escape writes a text as the signature has it in an address.
func escape(text string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(text))
}
