// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package house_test

import (
	"slices"
	"testing"
)

// The rules are worth something only if breaking them is noticed.
func TestBrokenRulesAreNoticed(t *testing.T) {
	t.Parallel()
	type mod = struct{ Path string }
	bbolt := goPackage{ImportPath: "go.etcd.io/bbolt/errors", Module: &mod{"go.etcd.io/bbolt"}}
	rules := map[string][]string{"serve": {}, "policy": {"serve"}, "main": {"policy"}}
	libraries := map[string][]string{"go.etcd.io/bbolt": {"policy"}}

	for _, row := range []struct {
		name string
		pkg  goPackage
		want []string
	}{
		{
			name: "an allowed import is no fault",
			pkg:  goPackage{ImportPath: inside + "policy", Imports: []string{"fmt", inside + "serve"}},
		}, {
			name: "an import against the direction is a fault",
			pkg:  goPackage{ImportPath: inside + "serve", Imports: []string{inside + "policy"}},
			want: []string{"serve imports policy"},
		}, {
			name: "main has its place like any other",
			pkg:  goPackage{ImportPath: module, Imports: []string{inside + "serve"}},
			want: []string{"main imports serve"},
		}, {
			name: "a package nobody has placed is a fault",
			pkg:  goPackage{ImportPath: inside + "util"},
			want: []string{"package util has no place in the table of packages"},
		}, {
			name: "a package below a placed one is a package of its own",
			pkg:  goPackage{ImportPath: inside + "serve/util"},
			want: []string{"package serve/util has no place in the table of packages"},
		}, {
			name: "a library is free to its owner",
			pkg:  goPackage{ImportPath: inside + "policy", Imports: []string{bbolt.ImportPath}},
		}, {
			name: "a library is closed to everyone else",
			pkg:  goPackage{ImportPath: inside + "serve", Imports: []string{bbolt.ImportPath}},
			want: []string{"serve imports go.etcd.io/bbolt/errors, which belongs to [policy]"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pkgs := []goPackage{row.pkg, bbolt}
			got := append(ownFaults(pkgs, rules), libraryFaults(pkgs, libraries)...)
			if !slices.Equal(got, row.want) {
				t.Errorf("got faults %q, want %q", got, row.want)
			}
		})
	}
}
