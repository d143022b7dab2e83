// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"errors"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// certificatesKey is before the names of certificates, and of what goes with them.
const certificatesKey = "certificates/"

// Certificates keeps those of an endpoint in the bucket of its controller, so that
// another machine need not have them issued again.
type Certificates struct{ bucket Bucket }

// NewCertificates gives the certificates in a bucket. It touches nothing.
func NewCertificates(b Bucket) Certificates { return Certificates{b} }

// Get gives what was put there last; serve.ErrNotFound if there is nothing.
func (c Certificates) Get(ctx context.Context, key string) ([]byte, error) {
	content, _, err := c.bucket.Get(ctx, certificatesKey+key)
	return content, err
}

// Put puts content there, in place of what is there.
func (c Certificates) Put(ctx context.Context, key string, content []byte) error {
	_, err := c.bucket.Put(ctx, certificatesKey+key, content, Condition{})
	return err
}

// Delete removes what is there, if there is anything.
func (c Certificates) Delete(ctx context.Context, key string) error {
	if err := c.bucket.Remove(ctx, certificatesKey+key); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return err
	}
	return nil
}
