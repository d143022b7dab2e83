// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"io"
)

// What tests in a package of their own have to know.
const (
	StateKey       = stateKey
	BundlesPrefix  = bundlesPrefix
	DigestPrefix   = digestPrefix
	MaxBundle      = maxBundle
	ArchivedLogs   = archivedLogs
	ArchivedBytes  = archivedBytes
	SettlePatience = settlePatience
)

// PutWithin is Put with another limit.
func (b *Bundles) PutWithin(digest string, content io.Reader, limit int64) error {
	return b.put(digest, content, limit)
}

// TurnPage does what a saver does first that finds a page full.
func (s *Store) TurnPage(ctx context.Context, version uint64) error {
	base, err := s.present(ctx, version)
	if err == nil {
		_, err = s.turnPage(ctx, base)
	}
	return err
}
