// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestConformanceOfTheStore(t *testing.T) {
	t.Parallel()
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		a := awstest.New(t, awstest.Options{})
		b, err := OpenBucket(t.Context(), BucketOptions{Config: Config{Region: "us-east-1"}, Name: "serve-web", Transport: a.Client().Transport})
		if err == nil {
			_, err = b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.name})
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() serve.Store { return NewStore(b) }
	})
}
