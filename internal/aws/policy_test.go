// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
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

// headquarters are the files about controllers that are on AWS themselves, and so not
// for the example, whose controller is elsewhere.
func headquarters() []string {
	return []string{
		"address.go", "bucket.go", "bulk.go", "deploy.go", "deployer.go", "destroy.go", "headquarters.go", "host.go", "role.go", "scale.go",
	}
}

// The policy allows what this package asks of AWS, and nothing else.
func TestThePolicyOfTheExampleIsTheLeast(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/aws/policy.json")
	if err != nil {
		t.Fatal(err)
	}
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
	asked := called(t)
	// Everybody may ask who they are. Tags that something is made with take a
	// permission of their own, and the first spot instance of an account makes a role.
	delete(asked, "sts:GetCallerIdentity")
	asked["ec2:CreateTags"], asked["iam:CreateServiceLinkedRole"] = true, true
	for _, a := range slices.Sorted(maps.Keys(asked)) {
		if !allowed[a] {
			t.Errorf("the policy does not allow %s", a)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(allowed)) {
		if !asked[a] {
			t.Errorf("the policy allows %s, which nobody asks for", a)
		}
	}
}

// called gives what this package asks of AWS for replicas: each call needs an input,
// by whose type it is found.
func called(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	input := regexp.MustCompile(`\b(ec2|iam|pricing|s3|servicequotas|ssm|sts|autoscaling)\.([A-Z][A-Za-z0-9]+)Input\b`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || slices.Contains(headquarters(), file) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range input.FindAllStringSubmatch(string(text), -1) {
			found[m[1]+":"+m[2]] = true
		}
	}
	return found
}
