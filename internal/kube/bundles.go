// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// BundlesOptions says where [Bundles] are.
type BundlesOptions struct {
	Config Config
	// Namespace is where the bundles are; empty is that of Config.
	Namespace string
	// Owner is the service that needs them. It must be in the same namespace.
	Owner Owner
}

// Bundles keeps the bundles of one service in the cluster, for its pods and its
// controllers. A bundle that several services need is there once.
type Bundles struct {
	owner   Owner
	cluster *connector
}

// bundlePatience bounds one operation: 50 MiB over a slow line.
const bundlePatience = 10 * time.Minute

// NewBundles gives the bundles of o.Owner. It touches nothing.
func NewBundles(o BundlesOptions) *Bundles {
	if o.Namespace != "" {
		o.Config.Namespace = o.Namespace
	}
	return &Bundles{owner: o.Owner, cluster: &connector{config: o.Config}}
}

// Has reports whether the bundle is there, whoever has put it there, and sees to
// it that it stays for the owner.
func (b *Bundles) Has(digest string) (bool, error) {
	found := false
	err := b.with(func(ctx context.Context, p piles) error {
		names, err := p.find(ctx, digest)
		if err != nil || names == nil {
			return err
		}
		err = addOwner(ctx, p.site, indexName(digest), b.owner.reference())
		if errors.Is(err, serve.ErrNotFound) {
			return nil
		}
		found = err == nil
		return err
	})
	return found, err
}

// Put stores a bundle; serve.ErrInvalid if the content has another digest, or is
// larger than a cluster can hold.
func (b *Bundles) Put(digest string, content io.Reader) error {
	return b.with(func(ctx context.Context, p piles) error {
		if err := p.put(ctx, digest, content); err != nil {
			return err
		}
		return addOwner(ctx, p.site, indexName(digest), b.owner.reference())
	})
}

// Open reads a bundle; serve.ErrNotFound if it is not there.
func (b *Bundles) Open(digest string) (io.ReadCloser, error) {
	var content io.ReadCloser
	err := b.with(func(ctx context.Context, p piles) (err error) {
		content, err = p.open(ctx, digest)
		return err
	})
	return content, err
}

// Keep gives up every bundle but these. What nobody else needs is removed.
func (b *Bundles) Keep(digests ...string) error {
	keep := make(map[string]bool)
	for _, d := range digests {
		keep[indexName(d)] = true
	}
	return b.with(func(ctx context.Context, p piles) error {
		all, err := p.indexes(ctx)
		if err != nil {
			return err
		}
		var failed error
		for _, index := range all {
			mine := slices.ContainsFunc(index.OwnerReferences, func(o ownerReference) bool { return string(o.UID) == b.owner.UID })
			if mine && !keep[index.Name] {
				failed = errors.Join(failed, p.disown(ctx, index, b.owner.UID))
			}
		}
		return failed
	})
}

func (b *Bundles) with(do func(context.Context, piles) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), bundlePatience)
	defer cancel()
	s, err := b.cluster.connect(ctx)
	if err != nil {
		return err
	}
	return do(ctx, piles{s})
}

// hexOf gives the hexadecimal part of a digest, empty for what is none.
func hexOf(digest string) string {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return ""
	}
	return sum
}
