// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"path/filepath"
	"sync"
	"testing"
)

func TestAHomeHasOneIdentity(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "home")
	var got [8]string
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			identity, err := Identity(root)
			if err != nil {
				t.Error(err)
			}
			got[i] = identity
		})
	}
	all.Wait()
	for _, identity := range got {
		if identity == "" || identity != got[0] {
			t.Fatalf("eight who ask at once are told %q", got)
		}
	}
	other, err := Identity(t.TempDir())
	if err != nil || other == got[0] {
		t.Errorf("another home is %q, %v", other, err)
	}
}
