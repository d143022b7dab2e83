// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"path/filepath"
	"testing"
)

func TestAPathMayBeginAtHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for path, want := range map[string]string{
		"~/.kube/config": filepath.Join(home, ".kube/config"),
		"":               "", "~": "~", "~user/x": "~user/x", "a/~/b": "a/~/b", "/etc/config": "/etc/config",
	} {
		if got := ExpandHome(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}
