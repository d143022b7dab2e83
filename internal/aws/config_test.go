// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// nowhere is where nobody listens: whoever asks there has not been told better.
const nowhere = "http://127.0.0.1:9"

// credentials is a file with the credentials of a profile.
const credentials = "[work]\naws_access_key_id = " + awstest.AccessKey + "\naws_secret_access_key = " + awstest.SecretKey + "\n"

// These tests go over a real connection to whatever the environment, the shared
// files and the configuration name.
func TestAWSIsReachedAsItsCommandLineReachesIt(t *testing.T) {
	for _, row := range []struct {
		name string
		// HERE stands for where AWS answers.
		environment       map[string]string
		config            aws.Config
		files             map[string]string // that the environment names by FILES
		region, role, bad string
		err               error
	}{
		{
			name:        "by one endpoint for all services",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2"},
			region:      "us-west-2",
		},
		{
			name: "by an endpoint for each service",
			environment: map[string]string{
				"AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_EC2": "HERE", "AWS_ENDPOINT_URL_STS": "HERE", "AWS_ENDPOINT_URL_PRICING": "HERE",
				"AWS_REGION": "us-west-2",
			},
			region: "us-west-2",
		},
		{
			name:        "by the endpoints of the provider's configuration, whatever the environment says",
			environment: map[string]string{"AWS_ENDPOINT_URL": nowhere, "AWS_REGION": "us-west-2"},
			config:      aws.Config{Endpoints: map[string]string{"ec2": "HERE", "sts": "HERE", "pricing": "HERE"}},
			region:      "us-west-2",
		},
		{
			name:        "in the region of the provider's configuration, whatever the environment says",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2"},
			config:      aws.Config{Region: "eu-west-1"},
			region:      "eu-west-1",
		},
		{
			name: "by a profile that the environment names",
			environment: map[string]string{
				"AWS_PROFILE": "work", "AWS_CONFIG_FILE": "FILES/config", "AWS_SHARED_CREDENTIALS_FILE": "FILES/credentials",
				"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
			},
			files:  map[string]string{"config": "[profile work]\nregion = us-west-2\nendpoint_url = HERE\n", "credentials": credentials},
			region: "us-west-2",
		},
		{
			name: "by a profile that the provider's configuration names",
			environment: map[string]string{
				"AWS_PROFILE": "play", "AWS_CONFIG_FILE": "FILES/config", "AWS_SHARED_CREDENTIALS_FILE": "FILES/credentials",
				"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
			},
			files: map[string]string{
				"config":      "[profile work]\nregion = us-west-2\nservices = here\n[services here]\nec2 =\n  endpoint_url = HERE\nsts =\n  endpoint_url = HERE\npricing =\n  endpoint_url = HERE\n",
				"credentials": credentials,
			},
			config: aws.Config{Profile: "work"},
			region: "us-west-2",
		},
		{
			name:        "in a role",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2"},
			config:      aws.Config{AssumeRole: &aws.AssumeRole{ARN: "arn:aws:iam::" + awstest.Account + ":role/serve", SessionName: "apply", ExternalID: "42"}},
			region:      "us-west-2", role: "arn:aws:sts::" + awstest.Account + ":assumed-role/serve/apply",
		},
		{
			name:        "not in a role of others",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2"},
			config:      aws.Config{AssumeRole: &aws.AssumeRole{ARN: "arn:aws:iam::" + awstest.Account + ":role/admin-of-others"}},
			err:         serve.ErrUnauthorized, bad: "not authorized to perform: sts:AssumeRole",
		},
		{
			name:        "not without a region",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE"},
			err:         serve.ErrInvalid, bad: "set AWS_REGION, or aws.region",
		},
		{
			name:        "not by a profile that there is not",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2"},
			config:      aws.Config{Profile: "elsewhere"},
			err:         serve.ErrUnauthorized, bad: "elsewhere",
		},
		{
			name:        "not without credentials",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			err:         serve.ErrUnauthorized, bad: "set AWS_PROFILE",
		},
		{
			name:        "not with credentials of nobody",
			environment: map[string]string{"AWS_ENDPOINT_URL": "HERE", "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "AKIANOBODY"},
			err:         serve.ErrUnauthorized, bad: "InvalidClientTokenId",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := awstest.New(t, awstest.Options{})
			files := t.TempDir()
			put := strings.NewReplacer("HERE", a.Endpoint(), "FILES", files)
			for name, text := range row.files {
				if err := os.WriteFile(filepath.Join(files, name), []byte(put.Replace(text)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for name, value := range row.environment {
				t.Setenv(name, put.Replace(value))
			}
			for name, url := range row.config.Endpoints {
				row.config.Endpoints[name] = put.Replace(url)
			}
			var asked []string
			a.Fault(func(c awstest.Call) awstest.Verdict {
				if c.Action == "DescribeRegions" {
					asked = append(asked, c.Region+" by "+c.Caller)
				}
				return awstest.Verdict{}
			})
			known, err := aws.Brief("", row.config)
			if err != nil {
				t.Fatal(err)
			}
			c := aws.NewCloud(aws.CloudOptions{Known: known})
			offers, err := c.Offers(t.Context(), serve.Resource{Infra: "aws/eu-west-1", InstanceType: "m7i.large"})
			if row.err != nil {
				if !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.bad) {
					t.Errorf("got %v, want %v that says %q", err, row.err, row.bad)
				}
				return
			}
			if err != nil || len(offers) != 6 {
				t.Fatalf("got %d offers, and %v; want one in each zone and market", len(offers), err)
			}
			if want := row.region + " by " + cmp.Or(row.role, "arn:aws:iam::"+awstest.Account+":user/serve"); !slices.Equal(asked, []string{want}) {
				t.Errorf("asked was %v, want %s", asked, want)
			}
			if row.role != "" {
				if s := a.Books().Sessions; len(s) != 1 || s[0].ExternalID != "42" || s[0].Name != "apply" {
					t.Errorf("the roles that were taken on are %+v", s)
				}
			}
		})
	}
}
