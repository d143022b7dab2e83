// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const twoClusters = `apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: one, cluster: {server: "https://one.example.com"}}
- {name: two, cluster: {server: "https://two.example.com"}}
users:
- {name: me, user: {token: secret}}
contexts:
- {name: one, context: {cluster: one, user: me, namespace: replicas}}
- {name: two, context: {cluster: two, user: me}}
`

// A cluster is reached by the kubeconfig that was given for it, and by nothing that is
// found where the controller runs.
func TestAClusterIsReachedAsWasGiven(t *testing.T) {
	t.Parallel()
	given := func(kubeconfig, name string) string {
		text, err := json.Marshal(map[string]string{"kubeconfig": kubeconfig, "context": name})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, row := range []struct {
		what, text            string
		host, context, inside string
		err                   error
	}{
		{"the current context", given(twoClusters, ""), "https://one.example.com", "one", "replicas", nil},
		{"another one", given(twoClusters, "two"), "https://two.example.com", "two", "default", nil},
		{"one that there is not", given(twoClusters, "three"), "", "three", "", serve.ErrUnauthorized},
		{"what is no kubeconfig", given(": no", ""), "", "", "", serve.ErrUnauthorized},
		{"what is no JSON", "apiVersion: v1", "", "", "", serve.ErrUnauthorized},
	} {
		c := connector{config: Config{Path: "/nonexistent"}, shown: func(_ context.Context, cloud string) (string, error) {
			if cloud != "kubernetes" {
				t.Errorf("%s: asked for those of %q", row.what, cloud)
			}
			return row.text, nil
		}}
		s, err := c.connect(t.Context())
		if !errors.Is(err, row.err) {
			t.Errorf("%s: %v, want %v", row.what, err, row.err)
		}
		if err != nil {
			continue
		}
		if config := s.Key().settings; config.Host != row.host || s.context != row.context || s.namespace != row.inside {
			t.Errorf("%s: %v, context %q, namespace %q; want %q, %q, %q", row.what, config, s.context, s.namespace, row.host, row.context, row.inside)
		}
	}
}
