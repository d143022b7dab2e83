// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
)

// policy is the document that the example has for whoever makes the credentials.
type policy struct {
	Statement []struct {
		Sid      string
		Action   actions
		Resource actions
	}
}

// actions is one text or several.
type actions []string

func (a *actions) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = actions{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// theDeployers are the files about what is made for a controller on AWS, and onTheHost
// those that such a controller is there by; all others are for replicas.
func theDeployers() []string {
	return []string{"address.go", "deploy.go", "deployer.go", "destroy.go", "headquarters.go", "role.go", "scale.go"}
}

func onTheHost() []string {
	return []string{"bucket.go", "bulk.go", "host.go"}
}

// forReplicas gives what is asked for replicas.
func forReplicas(t *testing.T) map[string]bool {
	t.Helper()
	asked := called(t, func(file string) bool {
		return !slices.Contains(theDeployers(), file) && !slices.Contains(onTheHost(), file)
	})
	// Everybody may ask who they are. Tags that something is made with take a
	// permission of their own, and the first spot instance of an account makes a role.
	delete(asked, "sts:GetCallerIdentity")
	asked["ec2:CreateTags"], asked["iam:CreateServiceLinkedRole"] = true, true
	return asked
}

// The policy allows what this package asks of AWS, and nothing else.
func TestThePolicyOfTheExampleIsTheLeast(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/aws/policy.json")
	if err != nil {
		t.Fatal(err)
	}
	least(t, text, forReplicas(t))
}

// That of the example with a controller on AWS comes on top of the other.
func TestThePolicyOfTheDeployerIsTheLeast(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/aws_controller/policy.json")
	if err != nil {
		t.Fatal(err)
	}
	asked := called(t, func(file string) bool { return slices.Contains(theDeployers(), file) })
	maps.Copy(asked, inS3(called(t, func(file string) bool { return file == "bucket.go" || file == "bulk.go" })))
	asked = inS3(asked)
	// What the group does it does with the rights of who has made it, and what is
	// made with tags, and given a role, takes permissions of its own.
	for _, also := range []string{
		"autoscaling:CreateOrUpdateTags", "ec2:CreateTags", "ec2:RunInstances", "iam:CreateServiceLinkedRole", "iam:PassRole",
		"iam:TagInstanceProfile", "iam:TagRole",
		// These are asked in files that are for replicas, too.
		"ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:TerminateInstances",
	} {
		asked[also] = true
	}
	least(t, text, asked)
}

// inS3 gives the permissions that calls of S3 take, which have names of their own.
func inS3(asked map[string]bool) map[string]bool {
	names := map[string]string{
		"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket", "s3:ListBuckets": "s3:ListAllMyBuckets",
		"s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
	}
	found := map[string]bool{}
	for a := range asked {
		if name, ok := names[a]; ok {
			a = name
		}
		found[a] = true
	}
	return found
}

// least compares a policy with what is asked for.
func least(t *testing.T, text []byte, asked map[string]bool) {
	t.Helper()
	var p policy
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, s := range p.Statement {
		for _, a := range s.Action {
			if strings.Contains(a, "*") {
				t.Errorf("%s allows %s, which is more than anybody knows", s.Sid, a)
			}
			allowed[a] = true
		}
	}
	fleettest.Least(t, allowed, asked)
}

// called gives what some files of this package ask of AWS: each call needs an input,
// by whose type it is found.
func called(t *testing.T, in func(file string) bool) map[string]bool {
	t.Helper()
	input := regexp.MustCompile(`\b(ec2|iam|pricing|s3|servicequotas|ssm|sts|autoscaling)\.([A-Z][A-Za-z0-9]+)Input\b`)
	found := map[string]bool{}
	for _, text := range fleettest.Sources(t, in) {
		for _, m := range input.FindAllStringSubmatch(text, -1) {
			found[m[1]+":"+m[2]] = true
		}
	}
	return found
}
