// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"crypto/tls"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

func (p ReadinessProbe) validate(es *FieldErrors) {
	const at = "readiness_probe."
	p.validatePath(es)
	if p.PostData != "" && !json.Valid([]byte(p.PostData)) {
		es.add(at+"post_data", nil, "The value is not valid JSON; a probe sends a JSON document, as in {\"prompt\": \"hi\"}.")
	}
	p.validateHeaders(es)
	es.delay(at+"initial_delay_seconds", p.InitialDelaySeconds)
	es.period(at+"timeout_seconds", p.TimeoutSeconds)
	es.period(at+"endpoint_probe_interval_seconds", p.EndpointProbeIntervalSeconds)
	es.delay(at+"consecutive_failure_threshold_timeout", p.ConsecutiveFailureThresholdTimeout)
}

func (p ReadinessProbe) validatePath(es *FieldErrors) {
	const path = "readiness_probe.path"
	switch {
	case !strings.HasPrefix(p.Path, "/"):
		es.add(path, nil, "The path %q does not begin with \"/\"; write %q.", p.Path, "/"+p.Path)
	case !consistsOf(p.Path, func(c rune) bool { return isPrintable(c) && c != ' ' && c != '#' }):
		es.add(path, nil, "The path %q has a space, a \"#\" or a control character; write it percent-encoded.", p.Path)
	default:
		if _, err := url.ParseRequestURI(p.Path); err != nil {
			es.add(path, nil, "The path %q cannot be requested: %v.", p.Path, err)
		}
	}
}

func (p ReadinessProbe) validateHeaders(es *FieldErrors) {
	const path = "readiness_probe.headers"
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		at := element(path, name)
		if name == "" || !consistsOf(name, isTokenRune) {
			es.add(at, nil, "%q is not the name of an HTTP header: it has letters, digits and \"-\" only.", name)
			continue
		}
		// HTTP does not tell upper from lower case here, so that one of the two
		// would win by chance.
		folded := strings.ToLower(name)
		if first, ok := seen[folded]; ok {
			es.add(at, []string{element(path, first)}, "%q is the same header as %q; write it once.", name, first)
		}
		seen[folded] = name
		if !consistsOf(p.Headers[name], func(c rune) bool { return isPrintable(c) || c == '\t' }) {
			es.add(at, nil, "The value has a line break or another control character, which a header cannot have.")
		}
	}
}

func (t *TLS) validate(es *FieldErrors) {
	const certificate, key, acme = "tls.certificate", "tls.key", "tls.acme"
	switch {
	case t == nil:
	case t.ACME != nil && (t.Certificate != "" || t.Key != ""):
		es.add(acme, []string{certificate, key}, "A certificate is either given or had by ACME; leave one of them out.")
	case t.ACME != nil:
		t.ACME.validate(es)
	case t.Certificate == "" && t.Key == "":
		es.add(certificate, []string{key, acme}, "TLS needs a certificate and its key, both in PEM, or acme to have one issued.")
	case t.Certificate == "":
		es.add(certificate, []string{key, acme}, "TLS needs the certificate of the key, in PEM.")
	case t.Key == "":
		es.add(key, []string{certificate, acme}, "TLS needs the key of the certificate, in PEM.")
	default:
		if _, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key)); err != nil {
			es.add(certificate, []string{key}, "The certificate and the key cannot be used together: %v.", err)
		}
	}
}
