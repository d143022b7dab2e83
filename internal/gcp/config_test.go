// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import "testing"

func TestAnEndpointIsConfiguredOrInTheEnvironment(t *testing.T) {
	for _, row := range []struct{ what, service, path, configured, variable, value, want string }{
		{"Google's own", "compute", computePath, "", "", "", "https://compute.googleapis.com/compute/v1/"},
		{"one that is configured", "compute", computePath, "http://127.0.0.1:8080", "", "", "http://127.0.0.1:8080/compute/v1/"},
		{"one with a slash", "compute", computePath, "http://127.0.0.1:8080/", "", "", "http://127.0.0.1:8080/compute/v1/"},
		{"one with the path", "storage", storagePath, "http://127.0.0.1:8080/storage/v1/", "", "", "http://127.0.0.1:8080/storage/v1/"},
		{"one below a path", "iam", "/", "http://127.0.0.1:8080/google/iam", "", "", "http://127.0.0.1:8080/google/iam/"},
		{"one of the environment", "compute", computePath, "", "GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "http://127.0.0.1:8080/compute/v1/", "http://127.0.0.1:8080/compute/v1/"},
		{"a version that the client adds", "cloudresourcemanager", "/", "", "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT", "http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/"},
		{"that of prices", "cloudbilling", "/", "", "GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT", "http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/"},
		{"that of tokens", "iamcredentials", "/", "", "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"},
		{"both", "iam", "/", "http://127.0.0.1:8080", "GOOGLE_IAM_CUSTOM_ENDPOINT", "http://127.0.0.1:9090", "http://127.0.0.1:8080/"},
	} {
		t.Run(row.what, func(t *testing.T) {
			if row.variable != "" {
				t.Setenv(row.variable, row.value)
			}
			c := Config{}
			if row.configured != "" {
				c.Endpoints = map[string]string{row.service: row.configured}
			}
			if got := c.endpoint(row.service, row.path); got != row.want {
				t.Errorf("%s is at %s, want %s", row.service, got, row.want)
			}
		})
	}
}
