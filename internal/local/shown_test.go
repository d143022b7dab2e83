// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What clouds are shown is a file of the controller's that nobody else may read, and
// stays what it is until something else is given.
func TestCloudCredentialsAreKeptForTheController(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var ofDestroy string
	d := NewDeployer(DeployerOptions{
		Root: root, Executable: "/nonexistent",
		Shown:       serve.CloudCredentials{"aws": "the caller's"},
		Credentials: func() (serve.Credentials, error) { return serve.Credentials{Token: "t"}, nil },
		Clouds: func(_ map[string]string, shown serve.CredentialsOf) []serve.Cloud {
			ofDestroy, _ = shown(t.Context(), "gcp")
			return nil
		},
	})
	claim, err := ClaimController(t.Context(), root, "web")
	if err != nil {
		t.Fatal(err)
	}
	// The controller is told of each, and once when it begins to listen.
	told := make(chan struct{}, 100)
	listening, stop := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- claim.FollowCredentials(listening, func() { told <- struct{}{} }) }()
	<-told
	for _, step := range []struct {
		what  string
		given serve.CloudCredentials
		want  string
	}{
		{"nothing was ever given", nil, ""},
		{"a key", serve.CloudCredentials{"gcp": "key"}, "key"},
		{"nothing is given", nil, "key"},
		{"another key", serve.CloudCredentials{"gcp": "other"}, "other"},
		{"it is taken back", serve.CloudCredentials{}, ""},
		{"a key again", serve.CloudCredentials{"gcp": "key"}, "key"},
	} {
		h, err := makeHome(root)
		if err == nil {
			err = d.show(h.controller("web"), step.given)
		}
		if err != nil {
			t.Fatal(err)
		}
		<-told
		if got, err := claim.CloudCredentials(t.Context(), "gcp"); got != step.want || err != nil {
			t.Errorf("%s: the controller has %q, %v; want %q", step.what, got, err, step.want)
		}
	}
	stop()
	if err := <-over; err != nil {
		t.Errorf("listening ends with %v", err)
	}
	if got, err := claim.CloudCredentials(t.Context(), "aws"); got != "the caller's" || err != nil {
		t.Errorf("where nothing was given the controller has %q, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(claim.Dir(), shownFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v; want one that its owner alone may read", info, err)
	}
	claim.Release()
	if _, err := d.Destroy(t.Context(), "web"); err != nil || ofDestroy != "key" {
		t.Errorf("who destroys the service shows the cloud %q, %v; want what the controller did", ofDestroy, err)
	}
}
