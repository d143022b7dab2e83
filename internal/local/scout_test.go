// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestCloudsAreScoutedAsAControllerWouldHaveThem(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "home")
	var told map[string]string
	d := NewDeployer(DeployerOptions{
		Root: root,
		Scouts: func(notes map[string]string, _ serve.CredentialsOf) []serve.Cloud {
			told = maps.Clone(notes)
			return nil
		},
		Brief: func(notes map[string]string) (map[string]string, error) {
			return map[string]string{"aws": "wanted after " + notes["aws"]}, nil
		},
	})
	scout := func(service string, want map[string]string) {
		t.Helper()
		if _, err := d.Scout(service); err != nil || !maps.Equal(told, want) {
			t.Errorf("for %q the clouds are told %v, %v; want %v", service, told, err, want)
		}
	}
	scout("web", map[string]string{"aws": "wanted after "})
	scout("", map[string]string{"aws": "wanted after "})
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a home where there was none: %v", err)
	}
	h, err := makeHome(root)
	if err != nil {
		t.Fatal(err)
	}
	for cloud, where := range map[string]string{"aws": "here", "kubernetes": "there"} {
		if err := note(h.controller("web"), cloud, where); err != nil {
			t.Fatal(err)
		}
	}
	scout("web", map[string]string{"aws": "wanted after here", "kubernetes": "there"})
	scout("other", map[string]string{"aws": "wanted after "})
}

func TestWithoutScoutsTheCloudsThemselvesAreAsked(t *testing.T) {
	t.Parallel()
	clouds, err := NewDeployer(DeployerOptions{Root: t.TempDir()}).Scout("web")
	if err != nil || len(clouds) != 1 || clouds[0].Name() != cloudName {
		t.Errorf("got %v, %v", clouds, err)
	}
}
