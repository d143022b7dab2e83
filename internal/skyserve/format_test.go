// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, in, want string
	}{
		{
			"V8 defaults are not written back, even if they were written",
			`
service:
  readiness_probe: {path: /health, initial_delay_seconds: 1200, timeout_seconds: 15, endpoint_probe_interval_seconds: 10, consecutive_failure_threshold_timeout: 180}
  replica_policy: {min_replicas: 2, max_replicas: 2, upscale_delay_seconds: 300, dynamic_ondemand_fallback: false}
  load_balancing_policy: least_load
  load_balancer: {stream_timeout_seconds: 120}
resources: {ports: 8080}
run: serve
`,
			`service:
  readiness_probe:
    path: /health
  replica_policy:
    min_replicas: 2
resources:
  ports: 8080
run: serve
`,
		},
		{
			"V8 what differs from the defaults is",
			`
name: web
service:
  readiness_probe: {path: /, endpoint_probe_interval_seconds: 7, consecutive_failure_threshold_timeout: 45, post_data: '{"a": 1}'}
  replicas: 3
  load_balancing_policy: round_robin
  load_balancer: {stream_timeout_seconds: 240}
  ports: 8081
resources: {ports: [8081, 9000-9001], cpus: 2+, memory: 16, accelerators: {A100: 8, L4}}
setup: |
  one
  two
run: serve
`,
			`name: web
service:
  readiness_probe:
    path: /
    post_data:
      a: 1
    endpoint_probe_interval_seconds: 7
    consecutive_failure_threshold_timeout: 45
  replicas: 3
  load_balancing_policy: round_robin
  load_balancer:
    stream_timeout_seconds: 240
  ports: 8081
resources:
  cpus: 2+
  memory: "16"
  ports:
    - 8081
    - 9000-9001
  any_of:
    - accelerators: A100:8
    - accelerators: L4
setup: |
  one
  two
run: serve
`,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := skyserve.Format(parse(t, row.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParse feeds whatever may be in a file: it must be refused with a path and
// a message, or give a service that can be written and read again.
func FuzzParse(f *testing.F) {
	for _, m := range append(append(documentMistakes(), serviceMistakes()...), resourceMistakes()...) {
		f.Add([]byte(m.yaml))
	}
	f.Add([]byte(task("envs: &e {A: '$A'}\nsecrets: {B: b}\nfile_mounts: {<<: *e, /x: $B}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := skyserve.Parse(data)
		if err != nil {
			for _, e := range refused(t, string(data)) {
				if e.Path == "" || e.Message == "" {
					t.Errorf("an error without path or message: %+v", e)
				}
			}
			return
		}
		if bytes.ContainsRune(data, '$') {
			return // what came from a variable may look like one again
		}
		text, err := skyserve.Format(s)
		if err != nil {
			t.Fatalf("formatting: %v", err)
		}
		again, err := skyserve.Parse(text)
		if err != nil {
			t.Fatalf("reading again:\n%s\n%v", text, err)
		}
		if diff := cmp.Diff(s, again, sameService()); diff != "" {
			t.Errorf("after a round trip (-want +got):\n%s\n%s", diff, text)
		}
	})
}
