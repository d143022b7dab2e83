// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

func TestTheBooksNameWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := newTroop(t, awstest.Options{}, "true", 1)
	giveRole(t, iamOf(r.aws), "web", reader)
	allocate(t, r.ec2)
	if _, err := r.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: r.name, Description: r.name}); err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(configured("us-east-1", r.aws.Client(), "http://aws.test"))
	if _, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("serve-web")}); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, line := range r.aws.Books().Left() {
		for _, kind := range []string{
			"instance i-", "volume vol-", "security group web", "launch template lt-", "Auto Scaling group web", "elastic address 198.",
			"role or policy web/all", "instance profile web", "bucket serve-web in us-east-1",
		} {
			if strings.HasPrefix(line, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); len(kinds) != 9 {
		t.Errorf("left are %q, of which these are expected: %q", r.aws.Books().Left(), kinds)
	}
	if left := awstest.New(t, awstest.Options{}).Books().Left(); len(left) != 0 {
		t.Errorf("in the beginning there is %q", left)
	}
}
