// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A controller that was given an access key shows that one, whatever else is found
// where it runs, and another one soon after it was given that.
func TestAWSIsShownTheKeyThatWasGiven(t *testing.T) {
	t.Parallel()
	const good = `{"access_key":"` + awstest.AccessKey + `","secret_key":"` + awstest.SecretKey + `"}`
	synctest.Test(t, func(t *testing.T) {
		given := `{"access_key":"AKIANOBODY","secret_key":"x"}`
		cloud := aws.NewCloud(aws.CloudOptions{
			Known: brief(t, aws.Config{Profile: "of-somebody-else", Regions: []string{"us-east-1"}}), Transport: awstest.New(t, awstest.Options{}).Client().Transport,
			Shown: func(_ context.Context, name string) (string, error) {
				if name != "aws" {
					t.Errorf("the credentials of %q are asked for", name)
				}
				return given, nil
			},
		})
		offers := func() error {
			_, err := cloud.Offers(t.Context(), serve.Resource{CPUs: "2+"})
			return err
		}
		if err := offers(); !errors.Is(err, serve.ErrUnauthorized) {
			t.Errorf("with the key of nobody: %v, want ErrUnauthorized", err)
		}
		given = "a key"
		if err := offers(); !errors.Is(err, serve.ErrUnauthorized) {
			t.Errorf("with what is no key: %v, want ErrUnauthorized", err)
		}
		given = good
		if err := offers(); err != nil {
			t.Errorf("with a key: %v", err)
		}
		given = `{"access_key":"AKIANOBODY","secret_key":"x"}`
		<-time.After(24 * time.Hour)
		if err := offers(); !errors.Is(err, serve.ErrUnauthorized) {
			t.Errorf("a day after another key was given: %v, want ErrUnauthorized", err)
		}
	})
}
