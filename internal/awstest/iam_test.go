// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

const (
	trust  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	reader = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["ec2:Describe*","ec2:TerminateInstances"],"Resource":"*"},
		{"Effect":"Deny","Action":"ec2:DescribeVolumes","Resource":"*"}]}`
)

func iamOf(a *awstest.AWS) *iam.Client {
	return iam.NewFromConfig(configured("us-east-1", a.Client(), "http://aws.test"))
}

// giveRole makes a role that instances can have, and its profile of the same name.
func giveRole(t *testing.T, c *iam.Client, name, policy string) {
	t.Helper()
	ctx := t.Context()
	_, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(trust), Tags: []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web")}},
	})
	if err == nil {
		_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("all"), PolicyDocument: &policy})
	}
	if err == nil {
		_, err = c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	}
	if err == nil {
		_, err = c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestARoleIsMadeAndTakenApartInOrder(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c, ctx, name := iamOf(a), t.Context(), aws.String("web")
	giveRole(t, c, *name, reader)
	role, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	if err != nil || *role.Role.Arn != "arn:aws:iam::"+awstest.Account+":role/web" || len(role.Role.Tags) != 1 {
		t.Errorf("the role is %+v, %v", role, err)
	}
	got, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("all")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := url.QueryUnescape(*got.PolicyDocument); err != nil || text != reader {
		t.Errorf("the policy is %q, %v", text, err)
	}
	if b := a.Books(); !slices.Equal(b.Roles, []string{"web", "web/all"}) || !slices.Equal(b.Profiles, []string{"web"}) {
		t.Errorf("the books have %v and %v", b.Roles, b.Profiles)
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"a name is taken once", func() error {
			_, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trust)})
			return err
		}, "EntityAlreadyExists"},
		{"a policy is one", func() error {
			_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: aws.String(`{"Version":"2012-10-17"}`)})
			return err
		}, "MalformedPolicyDocument"},
		{"a role with a policy stays", func() error { _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err }, "DeleteConflict"},
		{"the policy goes", func() error {
			_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("all")})
			return err
		}, "none"},
		{"a role in a profile stays", func() error { _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err }, "DeleteConflict"},
		{"so does the profile", func() error {
			_, err := c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
			return err
		}, "DeleteConflict"},
		{"they are parted", func() error {
			_, err := c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name})
			return err
		}, "none"},
		{"the role goes", func() error { _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err }, "none"},
		{"once", func() error { _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err }, "NoSuchEntity"},
		{"the profile goes", func() error {
			_, err := c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
			return err
		}, "none"},
		{"once, too", func() error {
			_, err := c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: name})
			return err
		}, "NoSuchEntity"},
	} {
		if err := step.do(); code(err) != step.want {
			t.Errorf("%s: got %v, want %s", step.name, err, step.want)
		}
	}
	if b := a.Books(); len(b.Roles)+len(b.Profiles) > 0 {
		t.Errorf("left behind: %v, %v", b.Roles, b.Profiles)
	}
}

func TestAnInstanceMayDoWhatItsRoleMay(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{Machines: true})
	giveRole(t, iamOf(a), "reader", reader)
	b := &booted{T: t, aws: a, ec2: direct(a, "us-east-1")}
	b.id = run(t, b.ec2, func(in *ec2.RunInstancesInput) {
		in.UserData = script("exec sleep 3600")
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: aws.String("reader")}
	})
	if i, err := described(t, b.ec2, b.id); err != nil || !strings.HasSuffix(*i.IamInstanceProfile.Arn, ":instance-profile/reader") {
		t.Errorf("its profile is %+v, %v", i.IamInstanceProfile, err)
	}
	if got := b.metadata("meta-data/iam/security-credentials/"); got != "reader" {
		t.Fatalf("its role is %q", got)
	}
	var key struct{ Code, AccessKeyID, SecretAccessKey, Token string }
	if err := json.Unmarshal([]byte(b.metadata("meta-data/iam/security-credentials/reader")), &key); err != nil || key.Code != "Success" {
		t.Fatalf("its credentials are %+v, %v", key, err)
	}
	cfg := configured("us-east-1", a.Client(), "http://aws.test")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.Token)
	c, ctx := ec2.NewFromConfig(cfg), t.Context()
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if want := "arn:aws:sts::" + awstest.Account + ":assumed-role/reader/" + b.id; err != nil || *who.Arn != want {
		t.Errorf("it is %+v, %v; want %s", who, err, want)
	}
	for _, row := range []struct {
		name string
		do   func() error
		want string
	}{
		{"it may look", func() error { _, err := c.DescribeInstances(ctx, nil); return err }, "none"},
		{"but not at what is denied", func() error { _, err := c.DescribeVolumes(ctx, nil); return err }, "UnauthorizedOperation"},
		{"it may not make anything", func() error { _, err := c.RunInstances(ctx, request(t, b.ec2, nil)); return err }, "UnauthorizedOperation"},
		{"nor change who may", func() error {
			_, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("reader")})
			return err
		}, "AccessDenied"},
		{"without the token its key is nobody's", func() error {
			cfg := cfg
			cfg.Credentials = credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")
			_, err := ec2.NewFromConfig(cfg).DescribeInstances(ctx, nil)
			return err
		}, "AuthFailure"},
	} {
		if err := row.do(); code(err) != row.want {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

func TestAProfileThatIsNotThereYetCannotBeUsed(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	a.Lag(time.Hour)
	giveRole(t, iamOf(a), "web", reader)
	c := direct(a, "us-east-1")
	withProfile := func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: aws.String("web")}
	}
	if _, err := c.RunInstances(t.Context(), request(t, c, withProfile)); code(err) != "InvalidParameterValue" {
		t.Errorf("launching at once: %v", err)
	}
	a.Lag(0)
	a.Forbid("iam:PassRole")
	if _, err := c.RunInstances(t.Context(), request(t, c, withProfile)); code(err) != "UnauthorizedOperation" {
		t.Errorf("launching without leave to pass on the role: %v", err)
	}
	a.Allow("iam:PassRole")
	run(t, c, withProfile)
}
