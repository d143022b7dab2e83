// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Config implements [headquarters.Estate]. Who the caller is, is the caller's affair:
// the machine has a role.
func (e *estate) Config() any {
	c := e.conf
	c.Profile, c.AssumeRole, c.Region = "", nil, e.region
	return c
}

// Nowhere implements [headquarters.Estate].
func (e *estate) Nowhere() string { return place{Account: e.number}.String() }

// Bucket implements [headquarters.Estate].
func (e *estate) Bucket(ctx context.Context) (bucket.Bucket, error) {
	return OpenBucket(ctx, BucketOptions{Config: e.conf, Name: e.bucketName(), Transport: e.o.Transport})
}

// MakeBucket implements [headquarters.Estate]. Nobody but the account can read it.
func (e *estate) MakeBucket(ctx context.Context) (bucket.Bucket, error) {
	in := &s3.CreateBucketInput{Bucket: aws.String(e.bucketName())}
	if e.region != "us-east-1" { // which is where buckets are if nothing is said
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(e.region)}
	}
	_, err := e.s3.CreateBucket(ctx, in)
	for hasCode(err, "OperationAborted") && turns.Sleep(ctx, lookPause) { // one of this name has just been deleted
		_, err = e.s3.CreateBucket(ctx, in)
	}
	if err != nil && !hasCode(err, "BucketAlreadyOwnedByYou") {
		return nil, fmt.Errorf("making bucket %s: %w", e.bucketName(), meaning(err))
	}
	_, err = e.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: aws.String(e.bucketName()),
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("closing bucket %s to the public: %w", e.bucketName(), meaning(err))
	}
	var tags []types.Tag
	for _, t := range written(e.tags()) {
		tags = append(tags, types.Tag{Key: t.Key, Value: t.Value})
	}
	if _, err := e.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String(e.bucketName()), Tagging: &types.Tagging{TagSet: tags}}); err != nil {
		return nil, fmt.Errorf("tagging bucket %s: %w", e.bucketName(), meaning(err))
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
		if err := headquarters.Empty(ctx, b); err != nil {
			if errors.Is(err, serve.ErrNotFound) {
				return nil
			}
			return err
		}
		_, err = e.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(e.bucketName())})
		if hasCode(err, "BucketNotEmpty") && turns.Sleep(ctx, lookPause) {
			continue // a save of a controller that was ended came late
		}
		if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return fmt.Errorf("deleting bucket %s: %w", e.bucketName(), err)
		}
		return nil
	}
}
