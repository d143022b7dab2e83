// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"io"
)

// What tests in a package of their own have to know.
const (
	StateKey      = stateKey
	BundlesPrefix = bundlesPrefix
	DigestPrefix  = digestPrefix
	MaxBundle     = maxBundle
	ArchivedBytes = archivedBytes
)

// PutWithin is Put with another limit.
func (b *Bundles) PutWithin(digest string, content io.Reader, limit int64) error {
	return b.put(digest, content, limit)
}
