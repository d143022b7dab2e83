// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"errors"
	"testing"
)

func TestAPlaceIsAnInfraAndMaybeANamespace(t *testing.T) {
	t.Parallel()
	for infra, want := range map[string]string{
		"": "local", "local": "local", "kubernetes": "kubernetes", "kubernetes/apps": "kubernetes",
		"local/apps": "", "kubernetes/": "", "kubernetes/apps/web": "", "/": "", "/apps": "", "aws": "aws", "aws/eu-north-1": "aws", "aws/": "", "gcp": "gcp", "gcp/us-east1": "gcp", "gcp/": "", "gcp/us-east1/us-east1-b": "", "k8s": "",
	} {
		d, err := place{home: t.TempDir(), infra: infra}.deployer("test")
		switch usage := (usageError{}); {
		case want == "" && !errors.As(err, &usage):
			t.Errorf("--infra %q gives %v, want a word about how it is used", infra, err)
		case want != "" && err != nil:
			t.Errorf("--infra %q gives %v", infra, err)
		case want != "" && d.Name() != want:
			t.Errorf("--infra %q is %s, want %s", infra, d.Name(), want)
		}
	}
}
