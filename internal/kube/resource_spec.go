// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The keys of a service's Secret. The value of a secret may also stand under its
// own name, as kubectl create secret has it.
const (
	keySecrets = "secrets.json"
	keyTLS     = "tls.key"
)

// asked gives what is asked for, without what is secret; nil when nothing is.
func (s *ServeService) asked() (*serve.Spec, error) {
	if len(s.Spec.Service) == 0 || string(s.Spec.Service) == "null" {
		return nil, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(s.Spec.Service, &fields); err != nil {
		return nil, fmt.Errorf("reading spec.service: %w: %w", serve.ErrInvalid, err)
	}
	respell(fields)
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("reading spec.service: %w", err)
	}
	spec := serve.NewSpec(s.Name)
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, fmt.Errorf("reading spec.service: %w: %w", serve.ErrInvalid, err)
	}
	return &spec, nil
}

// respell brings what people write shorter into the form of serve.Spec: numbers
// for strings of resources, and a policy without max_replicas.
func respell(fields map[string]any) {
	if policy, ok := fields["replica_policy"].(map[string]any); ok {
		least, given := policy["min_replicas"]
		if _, ok := policy["max_replicas"]; !ok && given {
			policy["max_replicas"] = least
		}
		schedules, _ := policy["schedules"].([]any) // the schema knows no other type
		for _, s := range schedules {
			schedule, _ := s.(map[string]any)
			if _, ok := schedule["max_replicas"]; !ok && schedule != nil {
				schedule["max_replicas"] = schedule["min_replicas"]
			}
		}
	}
	resources, ok := fields["resources"].(map[string]any)
	if !ok {
		return
	}
	machines := []any{resources}
	for _, alternatives := range []string{"any_of", "ordered"} {
		entries, _ := resources[alternatives].([]any) // the schema knows no other type
		machines = append(machines, entries...)
	}
	for _, m := range machines {
		machine, _ := m.(map[string]any)
		for _, field := range []string{"cpus", "memory", "disk_size", "ports"} {
			if number, ok := machine[field].(float64); ok {
				machine[field] = fmt.Sprintf("%.0f", number) // the schema has whole numbers only
			}
		}
	}
}

// ask makes spec what is asked for, but for what is secret.
func (s *ServeService) ask(spec serve.Spec) error {
	data, err := json.Marshal(spec.Redacted())
	var fields map[string]any
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err == nil {
		// It is the object's name, and must not be another.
		delete(fields, "name")
		if spec.UpdateMode == "" {
			delete(fields, "update_mode")
		}
		s.Spec.Service, err = json.Marshal(fields)
	}
	if err != nil {
		return fmt.Errorf("writing spec.service: %w", err)
	}
	return nil
}

// secretData is what is secret in a spec, as its Secret holds it; nil if there is
// nothing.
func secretData(spec serve.Spec) (map[string][]byte, error) {
	var data map[string][]byte
	if len(spec.Secrets) > 0 {
		text, err := json.Marshal(spec.Secrets)
		if err != nil {
			return nil, fmt.Errorf("writing secrets: %w", err)
		}
		data = map[string][]byte{keySecrets: text}
	}
	if spec.TLS != nil && spec.TLS.Key != "" {
		if data == nil {
			data = map[string][]byte{}
		}
		data[keyTLS] = []byte(spec.TLS.Key)
	}
	return data, nil
}

// reveal puts what is secret into a spec that was asked for without. A secret
// that is not there is one of [serve.FieldErrors].
func reveal(spec *serve.Spec, secretName string, data map[string][]byte) error {
	if spec.TLS != nil {
		spec.TLS = &serve.TLS{Certificate: spec.TLS.Certificate, Key: string(data[keyTLS]), ACME: spec.TLS.ACME}
	}
	values := map[string]string{}
	if text, ok := data[keySecrets]; ok {
		if err := json.Unmarshal(text, &values); err != nil {
			return fmt.Errorf("reading %q of Secret %q: %w: it is not a JSON object of strings", keySecrets, secretName, serve.ErrInvalid)
		}
	}
	var missing serve.FieldErrors
	for _, name := range slices.Sorted(maps.Keys(spec.Secrets)) {
		value, ok := values[name]
		if !ok {
			var own []byte
			own, ok = data[name]
			value = string(own)
		}
		if !ok {
			missing = append(missing, serve.FieldError{
				Path:    fmt.Sprintf("secrets[%q]", name),
				Message: fmt.Sprintf("The Secret %q of spec.secretName has no value for it.", secretName),
			})
			continue
		}
		spec.Secrets[name] = value
	}
	return missing.Err()
}
