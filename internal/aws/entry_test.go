// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A controller that was given an access key shows that one, whatever else is found
// where it runs, and another one once it was given that, if AWS lets it in.
func TestAWSIsShownTheKeyThatWasGiven(t *testing.T) {
	t.Parallel()
	const (
		good   = `{"access_key":"` + awstest.AccessKey + `","secret_key":"` + awstest.SecretKey + `"}`
		role   = `{"access_key":"` + awstest.AccessKey + `","secret_key":"` + awstest.SecretKey + `","role_arn":"arn:aws:iam::` + awstest.Account + `:role/serve"}`
		nobody = `{"access_key":"AKIANOBODY","secret_key":"x"}`
	)
	synctest.Test(t, func(t *testing.T) {
		a := awstest.New(t, awstest.Options{})
		var given, caller string
		a.Fault(func(c awstest.Call) awstest.Verdict {
			if c.Service == "ec2" {
				caller = c.Caller[strings.LastIndexByte(c.Caller, ':')+1:]
			}
			return awstest.Verdict{}
		})
		cloud := aws.NewCloud(aws.CloudOptions{
			Known: brief(t, aws.Config{Profile: "of-somebody-else", Regions: []string{"us-east-1"}}), Transport: a.Client().Transport,
			Shown: func(_ context.Context, name string) (string, error) {
				if name != "aws" {
					t.Errorf("the credentials of %q are asked for", name)
				}
				return given, nil
			},
		})
		for _, step := range []struct {
			what, given string
			renewed     bool
			// renewing is what becomes of that, and using of what is asked afterwards.
			renewing, using error
			by              string
		}{
			{"before it is asked anything", nobody, false, nil, serve.ErrUnauthorized, ""},
			{"what is no key", "a key", false, nil, serve.ErrUnauthorized, ""},
			{"a key", good, false, nil, nil, "user/serve"},
			{"the key of nobody", nobody, false, serve.ErrUnauthorized, nil, "user/serve"},
			{"what is no key then", "a key", false, serve.ErrUnauthorized, nil, "user/serve"},
			{"a role besides", role, true, nil, nil, "assumed-role/serve"},
			{"the same again", role, false, nil, nil, "assumed-role/serve"},
			{"no role", good, true, nil, nil, "user/serve"},
		} {
			given, caller = step.given, ""
			renewed, err := cloud.Renew(t.Context())
			if renewed != step.renewed || !errors.Is(err, step.renewing) {
				t.Errorf("%s: renewed is %v, %v; want %v, %v", step.what, renewed, err, step.renewed, step.renewing)
			}
			<-time.After(24 * time.Hour) // and what is known of offers is old
			caller = ""
			if _, err := cloud.Offers(t.Context(), serve.Resource{CPUs: "2+"}); !errors.Is(err, step.using) {
				t.Errorf("%s: then offers are had with %v, want %v", step.what, err, step.using)
			}
			if !strings.HasPrefix(caller, step.by) || step.by == "" && caller != "" {
				t.Errorf("%s: then %q asks, want %q", step.what, caller, step.by)
			}
		}
	})
}
