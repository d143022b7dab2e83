// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ACME has the certificates of an endpoint issued and renewed by an authority that
// speaks that protocol (RFC 8555). The authority convinces itself that a domain leads
// to the endpoint by connecting to port 443 of it (RFC 8737), so that no other port
// and no DNS record is needed.
type ACME struct {
	// Domains are the names that clients know the endpoint by. Others are not
	// answered.
	Domains []string `json:"domains"`
	// AgreeToTerms says that whoever has written it agrees to the authority's terms
	// of service.
	AgreeToTerms bool `json:"agree_to_terms"`
	// Email is where the authority sends its warnings; empty for nowhere.
	Email string `json:"email,omitempty"`
	// DirectoryURL is where the authority is found; empty for Let's Encrypt.
	DirectoryURL string `json:"directory_url,omitempty"`
}

// maxDomains bounds the domains of an endpoint: each is a certificate of its own.
const maxDomains = 20

func (a *ACME) validate(es *FieldErrors) {
	const at = "tls.acme."
	if len(a.Domains) == 0 {
		es.add(at+"domains", nil, "A certificate is for a domain; name one at least.")
	}
	if n := len(a.Domains); n > maxDomains {
		es.add(at+"domains", nil, "There are %d domains; at most %d are allowed.", n, maxDomains)
	}
	a.validateDomains(es, at+"domains")
	if !a.AgreeToTerms {
		es.add(at+"agree_to_terms", nil, "An authority issues certificates to those who agree to its terms of service. Read them, and write true if you do.")
	}
	if a.Email != "" && (strings.Count(a.Email, "@") != 1 || !consistsOf(a.Email, func(c rune) bool { return isPrintable(c) && c != ' ' })) {
		es.add(at+"email", nil, "%q is not an address of electronic mail.", a.Email)
	}
	if a.DirectoryURL != "" {
		if u, err := url.Parse(a.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
			es.add(at+"directory_url", nil, "%q is not a URL that begins with https://, as that of an authority's directory does.", a.DirectoryURL)
		}
	}
}

func (a *ACME) validateDomains(es *FieldErrors, at string) {
	for i, domain := range a.Domains {
		switch path := item(at, i); {
		case strings.HasPrefix(domain, "*."):
			es.add(path, nil, "%q stands for many domains, for which no certificate can be had in this way; name each.", domain)
		case !isDomain(domain):
			es.add(path, nil, "%q is not a domain, such as \"api.example.com\", in lower case.", domain)
		case slices.Index(a.Domains, domain) < i:
			es.add(path, nil, "The domain is there twice.")
		}
	}
}

// isDomain reports whether s is a full domain name as it stands in certificates.
func isDomain(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil || len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			!consistsOf(label, func(c rune) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' }) {
			return false
		}
	}
	return true
}
