// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/api/storage/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Config implements [headquarters.Estate]. Who the caller is, is the caller's affair:
// the machine has a service account.
func (e *estate) Config() any {
	c := e.conf
	c.Credentials, c.Impersonate, c.Project, c.Region = "", "", e.project, e.region
	return c
}

// Nowhere implements [headquarters.Estate].
func (e *estate) Nowhere() string { return fleet.Place[Config]{Account: e.project}.String() }

// Bucket implements [headquarters.Estate].
func (e *estate) Bucket(context.Context) (bucket.Bucket, error) {
	return newBucket(e.name(), e.services.storage), nil
}

// MakeBucket implements [headquarters.Estate]. Nobody but the project can read it, and
// what is written over or deleted in it is gone: there is no end to the states that
// were.
func (e *estate) MakeBucket(ctx context.Context) (bucket.Bucket, error) {
	in := &storage.Bucket{
		Name: e.name(), Location: e.region, Labels: e.labels(),
		IamConfiguration: &storage.BucketIamConfiguration{
			PublicAccessPrevention: "enforced", UniformBucketLevelAccess: &storage.BucketIamConfigurationUniformBucketLevelAccess{Enabled: true},
		},
		SoftDeletePolicy: &storage.BucketSoftDeletePolicy{ForceSendFields: []string{"RetentionDurationSeconds"}},
		Versioning:       &storage.BucketVersioning{ForceSendFields: []string{"Enabled"}},
	}
	_, err := e.services.storage.Buckets.Insert(e.project, in).Context(ctx).Do()
	if errors.Is(meaning(err), serve.ErrConflict) {
		// There is one of the name, and whoever may change it is who has made it.
		in.Name, in.Location = "", ""
		_, err = e.services.storage.Buckets.Patch(e.name(), in).Context(ctx).Do()
	}
	if err != nil {
		return nil, fmt.Errorf("making bucket %s: %w", e.name(), meaning(err))
	}
	return e.Bucket(ctx)
}

// removeBucket deletes the bucket with all that is in it.
func (e *estate) removeBucket(ctx context.Context) error {
	b, err := e.Bucket(ctx)
	if err != nil {
		return err
	}
	for {
		err := headquarters.Empty(ctx, b)
		if err == nil {
			err = meaning(e.services.storage.Buckets.Delete(e.name()).Context(ctx).Do())
		}
		if errors.Is(err, serve.ErrConflict) && turns.Sleep(ctx, fleet.LookPause) {
			continue // a save of a controller that was ended came late
		}
		if err != nil && !errors.Is(err, serve.ErrNotFound) {
			return fmt.Errorf("deleting bucket %s: %w", e.name(), err)
		}
		return nil
	}
}
