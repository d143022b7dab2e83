// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// service reads the section service.
func (r *reader) service(v value, s *Service) {
	const noPool = "A job pool is not a service; take it out."
	policy := string(s.LoadBalancingPolicy)
	r.mapping(v, []field{
		{"readiness_probe", func(v value) { r.probe(v, &s.ReadinessProbe) }},
		{"replicas", func(v value) { r.replicas(v, &s.ReplicaPolicy) }},
		{"replica_policy", func(v value) { r.policy(v, &s.ReplicaPolicy) }},
		{"load_balancing_policy", r.text(&policy)},
		{"load_balancer", func(v value) {
			r.mapping(v, []field{{"stream_timeout_seconds", r.number(&s.LoadBalancer.StreamTimeoutSeconds)}})
		}},
		{"ports", func(v value) {
			r.whole(&s.Ports)(v)
			if v.node.Tag == "!!int" && s.Ports == 0 {
				r.fault(v, "Port 0 is not between 1 and 65535.")
			}
		}},
		{"tls", func(v value) { r.tls(v, s) }},
		{"pool", r.refuse(noPool)},
		{"workers", r.refuse(noPool)},
	})
	s.LoadBalancingPolicy = serve.LoadBalancingPolicy(policy)
	if s.Has("replicas") && s.Has("replica_policy") {
		r.faultAt(s.origins["replicas"], "replica_policy", "A plain number of replicas excludes a replica_policy; write min_replicas there instead.")
	}
}

func (r *reader) replicas(v value, p *serve.ReplicaPolicy) {
	n := 1
	r.whole(&n)(v)
	*p = serve.FixedReplicas(n)
}

func (r *reader) tls(v value, s *Service) {
	var files TLSFiles
	r.mapping(v, []field{
		{"keyfile", r.text(&files.Keyfile)},
		{"certfile", r.text(&files.Certfile)},
	})
	for _, half := range []struct{ key, path string }{{"keyfile", files.Keyfile}, {"certfile", files.Certfile}} {
		if half.path == "" && kind(v.node) == "a mapping" {
			r.fault(v.child(half.key, v.node), "TLS needs both a keyfile and a certfile; write the path of the %s.", half.key)
		}
	}
	s.TLSFiles = &files
}

// probe reads a readiness probe: a mapping, or the path alone.
func (r *reader) probe(v value, p *serve.ReadinessProbe) {
	switch kind(v.node) {
	case "text":
		r.text(&p.Path)(v)
		r.origins["readiness_probe.path"] = r.origins["readiness_probe"]
		return
	case "a mapping":
	default:
		r.wrong(v, "a path, or a mapping with a path")
		return
	}
	r.mapping(v, []field{
		{"path", r.text(&p.Path)},
		{"post_data", func(v value) { r.postData(v, &p.PostData) }},
		{"headers", r.texts(&p.Headers)},
		{"initial_delay_seconds", r.number(&p.InitialDelaySeconds)},
		{"timeout_seconds", r.number(&p.TimeoutSeconds)},
		{"endpoint_probe_interval_seconds", r.number(&p.EndpointProbeIntervalSeconds)},
		{"consecutive_failure_threshold_timeout", r.number(&p.ConsecutiveFailureThresholdTimeout)},
	})
	if _, ok := r.origins["readiness_probe.path"]; !ok {
		r.fault(v.child("path", v.node), "The probe has no path; write one, such as \"/health\".")
	}
}

// postData reads a JSON document, or a mapping that becomes one, into its
// canonical form.
func (r *reader) postData(v value, into *string) {
	var body any
	switch kind(v.node) {
	case "text":
		if err := decodeJSON(r.expand(v, v.node.Value), &body); err != nil {
			r.fault(v, "It is not valid JSON: %v.", err)
			return
		}
	case "a mapping":
		// Repeated keys are the only thing that can be wrong here.
		if err := v.node.Decode(&body); err != nil {
			r.fault(v, "It cannot be read: %v.", err)
			return
		}
		body = r.expandAll(v, body)
	default:
		r.wrong(v, "a mapping or a JSON document")
		return
	}
	s, err := canonical(body)
	if err != nil {
		r.fault(v, "It cannot be written as JSON: %v.", err)
		return
	}
	*into = s
}

// canonical gives JSON on one line, with the keys of objects in order.
func canonical(body any) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// decodeJSON reads one document and keeps numbers as they are written.
func decodeJSON(s string, into *any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if err := d.Decode(into); errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	} else if err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// expandAll expands the strings within a body.
func (r *reader) expandAll(v value, body any) any {
	switch b := body.(type) {
	case string:
		return r.expand(v, b)
	case []any:
		for i := range b {
			b[i] = r.expandAll(v, b[i])
		}
	case map[string]any:
		for key := range b {
			b[key] = r.expandAll(v, b[key])
		}
	}
	return body
}
