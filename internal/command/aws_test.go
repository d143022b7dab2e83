// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// emulatedExample makes one on an AWS of ours, and out of sight of any other.
func emulatedExample(t *testing.T, name string, o awstest.Options) (*example, *awstest.AWS) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs Terraform against real processes; TF_ACC=1 or make test does so")
	}
	cloud := awstest.New(t, o)
	a := onTheExample(t, name, "aws", emulated{cloud})
	a.env = slices.DeleteFunc(a.env, func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	a.env = append(a.env, cloud.Environ()...)
	return a, cloud
}

// confine has everything done in a role that may do what the policies of examples
// say, and nothing else.
func confine(a *example, cloud *awstest.AWS, examples ...string) {
	a.t.Helper()
	const role = "serve"
	client := iam.New(iam.Options{
		Region: "us-east-1", HTTPClient: cloud.Client(), Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	})
	made, err := client.CreateRole(a.t.Context(), &iam.CreateRoleInput{RoleName: aws.String(role), AssumeRolePolicyDocument: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "` + awstest.Account + `"}, "Action": "sts:AssumeRole"}]}`)})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, example := range examples {
		text, err := os.ReadFile(filepath.Join("../../examples", example, "policy.json"))
		if err != nil {
			a.t.Fatal(err)
		}
		if _, err := client.PutRolePolicy(a.t.Context(), &iam.PutRolePolicyInput{
			RoleName: aws.String(role), PolicyName: aws.String(example), PolicyDocument: aws.String(string(text)),
		}); err != nil {
			a.t.Fatal(err)
		}
	}
	a.configure(fmt.Sprintf("region = \"us-east-1\"\n assume_role = { role_arn = %q }", aws.ToString(made.Role.Arn)))
}

// The example as it stands.
func TestAccTheExampleOnAWS(t *testing.T) {
	a, cloud := emulatedExample(t, "aws", awstest.Options{Machines: true})
	confine(a, cloud, "aws")
	a.lives(emulated{cloud})
	if s := cloud.Books().Sessions; len(s) == 0 {
		t.Error("nothing was done in the role")
	}
}

// The same on AWS itself, which gives no notice when it is asked to end an instance.
func TestAccTheExampleOnAWSItself(t *testing.T) {
	g, region := newItself(t)
	a := onTheExample(t, "aws", "aws", g)
	a.configure(fmt.Sprintf("region = %q\n default_tags = { %q = %q }", region, markKey, markValue))
	a.env = append(a.env, "TF_VAR_region="+region)
	a.survives()
}

// What would be in the way is said by the plan, which makes nothing anywhere.
func TestAccThePlanOnAWS(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*example, *awstest.AWS)
		code int
		says string
	}{
		{"no permission to launch", func(_ *example, c *awstest.AWS) { c.Forbid("ec2:RunInstances") }, 1, "do not allow ec2:RunInstances in us-east-1"},
		{"no credentials", func(a *example, _ *awstest.AWS) {
			a.env = append(a.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
		}, 1, "no AWS credentials are to be had"},
		{"credentials of nobody", func(a *example, _ *awstest.AWS) { a.env = append(a.env, "AWS_ACCESS_KEY_ID=AKIANOBODY") }, 1, "InvalidClientTokenId"},
		{"a small quota", func(_ *example, c *awstest.AWS) {
			c.SetQuota("us-east-1", awstest.ClassStandard, awstest.OnDemand, 2)
		}, 0, "There may be 3 on-demand machines at a time, and the quotas of the account leave room for 1 of them"},
		{"no prices", func(_ *example, c *awstest.AWS) { c.Forbid("pricing:GetProducts") }, 1, "asking for the price of"},
		{"no way to AWS", func(a *example, _ *awstest.AWS) { a.env = append(a.env, "AWS_ENDPOINT_URL=http://127.0.0.1:9") }, 0, "could not be found out"},
		{"nothing is in the way", func(*example, *awstest.AWS) {}, 0, "hourly_cost"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, cloud := emulatedExample(t, "aws", awstest.Options{})
			row.with(a, cloud)
			if out := strings.Join(strings.Fields(strings.ReplaceAll(a.must(row.code, "plan"), "│", " ")), " "); !strings.Contains(out, row.says) {
				t.Errorf("the plan does not say %q:\n%s", row.says, out)
			}
			if b := cloud.Books(); len(b.Instances)+len(b.Groups) > 0 {
				t.Errorf("the plan has made %+v", b)
			}
			if left, err := os.ReadDir(a.home); err != nil || len(left) > 0 {
				t.Errorf("the plan has left %v in the home, %v", left, err)
			}
		})
	}
}
