// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Sources gives the text of some files of the package that is tested, without those of
// its tests.
func Sources(t testing.TB, in func(file string) bool) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || !in(file) {
			continue
		}
		text, err := os.ReadFile(file) //nolint:gosec // it is one of the package's
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// Least expects that what an example allows is what is asked for, and nothing else.
func Least(t testing.TB, allowed, asked map[string]bool) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(asked)) {
		if !allowed[p] {
			t.Errorf("the example does not allow %s", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(allowed)) {
		if !asked[p] {
			t.Errorf("the example allows %s, which nobody asks for", p)
		}
	}
}
