// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package servetest holds the contracts of package serve to their word.
//
// Each contract has a suite that an implementation runs from a test of its own,
// as a file system runs [testing/fstest.TestFS]. [TestStore] is the one for
// [serve.Store]: a package that implements it writes
//
//	func TestStore(t *testing.T) {
//		servetest.TestStore(t, func(t *testing.T) func() serve.Store {
//			path := filepath.Join(t.TempDir(), "state.db")
//			return func() serve.Store { ... open path ... }
//		})
//	}
//
// A suite checks what the contract says and nothing else, so that whatever
// passes it can be put in the place of whatever else does.
//
// The package also has implementations for the tests of those who use a
// contract: they keep everything in memory, pass the same suites, and do as the
// test tells them. [NewStore] makes such a store.
package servetest
