// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Digest identifies what a replica runs and on what: replicas of two specs with
// equal digests are interchangeable. The order of any_of does not matter, as
// its entries are of equal standing. It is "sha256:<hex>".
func (t Task) Digest() string {
	t.Resources = t.Resources.sorted()
	return digestOf(t)
}

// Shape identifies on what a replica runs: a machine of a task with an equal shape
// will do for this one. It is of the form of a digest.
func (t Task) Shape() string { return digestOf(t.Resources.sorted()) }

// sorted gives the resources with their entries in an order of its own.
func (r Resources) sorted() Resources {
	r.AnyOf = slices.SortedFunc(slices.Values(r.AnyOf), func(a, b Resource) int {
		return slices.Compare(mustJSON(a), mustJSON(b))
	})
	return r
}

func digestOf(v any) string {
	sum := sha256.Sum256(mustJSON(v))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// mustJSON encodes a value made of strings, numbers and maps, which cannot fail.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
