// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import "testing"

// allOfAWS is an aws with every attribute that there is.
const allOfAWS = `provider "serve" {
  aws = {
    region  = "eu-west-1"
    profile = "work"
    assume_role = {
      role_arn     = "arn:aws:iam::123456789012:role/serve"
      session_name = "terraform"
      external_id  = "42"
    }
    regions      = ["eu-west-1"]
    default_tags = { team = "search" }
    endpoints = {
      ec2           = "https://ec2.example.com"
      pricing       = "https://pricing.example.com"
      ssm           = "http://127.0.0.1:4566"
      sts           = "http://127.0.0.1:4566/sts"
    }
    vpc_id                = "vpc-0123456789abcdef0"
    use_private_addresses = true
  }
}
`

func TestHowAWSIsReachedIsHandedOnWhole(t *testing.T) {
	t.Parallel()
	isHandedOn(t, func(s Settings) *AWS { return s.AWS }, map[string]reaching[AWS]{
		"nothing": {"", &AWS{}},
		"an aws without anything in it": {`provider "serve" {
  aws = {}
}
`, &AWS{}},
		"a region that is made in the same run": {`provider "serve" {
  aws = { region = terraform_data.region.output }
}
resource "terraform_data" "region" { input = "us-west-2" }
`, &AWS{Region: "us-west-2"}},
		allOfIt: {allOfAWS, &AWS{
			Region: "eu-west-1", Profile: "work",
			AssumeRole:  &AssumeRole{ARN: "arn:aws:iam::123456789012:role/serve", SessionName: "terraform", ExternalID: "42"},
			Regions:     []string{"eu-west-1"},
			DefaultTags: map[string]string{"team": "search"},
			Endpoints: map[string]string{
				"ec2": "https://ec2.example.com", "pricing": "https://pricing.example.com",
				"ssm": "http://127.0.0.1:4566", "sts": "http://127.0.0.1:4566/sts",
			},
			VPC: "vpc-0123456789abcdef0", Private: true,
		}},
	})
}

func TestWhatIsWrongWithAWSIsSaidWhenTheConfigurationIsValidated(t *testing.T) {
	t.Parallel()
	mistakes := []mistake{
		{"a zone for a region", `region = "us-east-1a"`, "aws.region", `"us-east-1a" is not a region of AWS, which have names like "us-east-1"`},
		{"a region without a name", `region = ""`, "aws.region", `"" is not a region of AWS`},
		{"a country among the regions", `regions = ["eu-west-1", "Ireland"]`, "aws.regions[1]", `"Ireland" is not a region of AWS`},
		{"a role without an ARN", `assume_role = { session_name = "x" }`, "aws", `attribute "role_arn" is required`},
		{"a role by its name", `assume_role = { role_arn = "serve" }`, "aws.assume_role.role_arn", `"serve" is not the ARN of a role`},
		{"a user for a role", `assume_role = { role_arn = "arn:aws:iam::123456789012:user/serve" }`, "aws.assume_role.role_arn", "is not the ARN of a role"},
		{"a tag of AWS", `default_tags = { "aws:team" = "x" }`, `aws.default_tags["aws:team"]`, `those that begin with "aws:" are those of AWS`},
		{"a tag of the provider's own", `default_tags = { "serve-infra:service" = "x" }`, `aws.default_tags["serve-infra:service"]`, "the provider's own"},
		{"an endpoint of a service that there is not", `endpoints = { s4 = "https://s4.example.com" }`, `aws.endpoints["s4"]`, `There is no service "s4" that would be asked`},
		{"an endpoint without a scheme", `endpoints = { ec2 = "ec2.example.com" }`, `aws.endpoints["ec2"]`, `"ec2.example.com" is not a URL, as in "https://ec2.example.com"`},
		{"an endpoint of another scheme", `endpoints = { ec2 = "ftp://ec2.example.com" }`, `aws.endpoints["ec2"]`, "is not a URL"},
		{"an endpoint without a host", `endpoints = { ec2 = "https://" }`, `aws.endpoints["ec2"]`, "is not a URL"},
		{"an endpoint with a space", `endpoints = { ec2 = "https://a b" }`, `aws.endpoints["ec2"]`, "is not a URL"},
		{"a network by another word", `regions = ["eu-west-1"], vpc_id = "default"`, "aws.vpc_id", `"default" is not the id of a network`},
		{"a network in any region", `vpc_id = "vpc-0123456789abcdef0"`, "aws.vpc_id", "A network is in one region; name that"},
		{"a network in two regions", `regions = ["eu-west-1", "eu-west-2"], vpc_id = "vpc-0123456789abcdef0"`, "aws.vpc_id", "A network is in one region; name that"},
		{"addresses that are perhaps private", `use_private_addresses = "perhaps"`, "aws", "a bool is required"},
	}
	eachIsSaid(t, awsInfra, mistakes)
}

// Whatever of aws is made in the same run keeps nobody from planning.
func TestWhatIsNotKnownYetOfAWSIsNotWrong(t *testing.T) {
	t.Parallel()
	nothingIsSaid(t, awsInfra, map[string]string{
		"each of its values": `{
			region       = UNKNOWN
			profile      = UNKNOWN
			assume_role  = { role_arn = UNKNOWN, session_name = UNKNOWN, external_id = UNKNOWN }
			regions      = [UNKNOWN]
			default_tags = { team = UNKNOWN }
			endpoints    = { ec2 = UNKNOWN }
			vpc_id       = UNKNOWN
			use_private_addresses = UNKNOWN == ""
		}`,
		"each of its collections": `{
			assume_role  = UNKNOWN == "" ? null : { role_arn = "arn:aws:iam::123456789012:role/serve" }
			regions      = split(",", UNKNOWN)
			default_tags = { (UNKNOWN) = "x" }
			endpoints    = UNKNOWN == "" ? {} : { ec2 = "https://ec2.example.com" }
			vpc_id       = "vpc-0123456789abcdef0"
		}`,
		"all of it": `UNKNOWN == "" ? null : { region = "eu-west-1" }`,
	})
}
