// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The objects in a controller's bucket, beside those of its store.
const (
	// settingsKey holds a headquarters, which the deployer writes.
	settingsKey = "controller.json"
	// credentialsKey holds serve.Credentials, which never change.
	credentialsKey = "credentials.json"
	// placeKey holds where there may be machines, which the controller writes before
	// it makes the first one there.
	placeKey = "place.json"
	// runningKey holds what the controller was told when it started, which it writes
	// then.
	runningKey = "running.json"
	// programsKey is before the digests of programs, which are compressed.
	programsKey = "programs/"
)

// headquarters is what a controller has to know, beside its state.
type headquarters struct {
	// Program is the digest of the program to be run, and Programs those of all that
	// machines can be run by, by their architectures.
	Program  string            `json:"program"`
	Programs map[string]string `json:"programs"`
	// Address is where clients find the controller.
	Address address `json:"address"`
	// Config is how the controller reaches AWS.
	Config Config `json:"config"`

	credentials serve.Credentials
}

// digest tells one headquarters from another.
func (h headquarters) digest() string {
	text, err := json.Marshal(h)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return token(string(text))
}

// running is what a controller says of itself: what it was told, as the digest of a
// headquarters, and where it is.
type running struct {
	Told     string `json:"told"`
	Instance string `json:"instance"`
}

// headquarters reads what there is; ErrNotFound if there is no controller.
func (e *estate) headquarters(ctx context.Context) (headquarters, error) {
	b, err := e.bucket(ctx)
	if err != nil {
		return headquarters{}, err
	}
	var h headquarters
	if err := bucket.Read(ctx, b, settingsKey, &h); err != nil {
		return headquarters{}, err
	}
	return h, bucket.Read(ctx, b, credentialsKey, &h.credentials)
}

func (e *estate) bucket(ctx context.Context) (*Bucket, error) {
	return OpenBucket(ctx, BucketOptions{Config: e.conf, Name: e.bucketName(), Transport: e.o.Transport})
}

// makeBucket makes the bucket, which nobody but the account can read.
func (e *estate) makeBucket(ctx context.Context) (*Bucket, error) {
	in := &s3.CreateBucketInput{Bucket: aws.String(e.bucketName())}
	if e.region != "us-east-1" { // which is where buckets are if nothing is said
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(e.region)}
	}
	_, err := e.s3.CreateBucket(ctx, in)
	for hasCode(err, "OperationAborted") && sleep(ctx, lookPause) { // one of this name has just been deleted
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
	return e.bucket(ctx)
}

// removeBucket deletes the bucket with all that is in it.
func (e *estate) removeBucket(ctx context.Context) error {
	b, err := e.bucket(ctx)
	if err != nil {
		return err
	}
	for {
		keys, err := b.List(ctx, "")
		if errors.Is(err, serve.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := b.Remove(ctx, key); err != nil {
				return err
			}
		}
		_, err = e.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(e.bucketName())})
		if hasCode(err, "BucketNotEmpty") && sleep(ctx, lookPause) {
			continue // a save of a controller that was ended came late
		}
		if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return fmt.Errorf("deleting bucket %s: %w", e.bucketName(), err)
		}
		return nil
	}
}

// credentials gives those of the controller, which whoever was first has made.
func (e *estate) credentials(ctx context.Context, b *Bucket) (serve.Credentials, error) {
	var known serve.Credentials
	err := bucket.Read(ctx, b, credentialsKey, &known)
	if !errors.Is(err, serve.ErrNotFound) {
		return known, err
	}
	if known, err = e.o.Credentials(); err != nil {
		return known, err
	}
	content, err := json.Marshal(known)
	if err != nil {
		return known, fmt.Errorf("writing the credentials of a controller: %w", err)
	}
	_, err = b.Put(ctx, credentialsKey, content, bucket.Condition{Absent: true})
	if errors.Is(err, serve.ErrConflict) {
		err = bucket.Read(ctx, b, credentialsKey, &known)
	}
	return known, err
}

// bring has a program be in the bucket.
func bring(ctx context.Context, b bucket.Bucket, p *agent.Program) error {
	key := programsKey + strings.TrimPrefix(p.Digest(), "sha256:")
	there, err := b.Has(ctx, key)
	if err != nil || there {
		return err
	}
	content, err := p.Compressed()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return fmt.Errorf("reading the controller's program: %w", err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the controller's program: %w", err)
	}
	return b.PutFile(ctx, key, content, sum.Sum(nil))
}
