// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

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
	for what, row := range map[string]struct {
		config string
		want   *AWS
	}{
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
		"all of it": {allOfAWS, &AWS{
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
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newInfra(ready)
			o := options(f)
			open := o.Deployers
			var last *AWS
			o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
				last = s.AWS
				return open(s)
			}
			tf := newTerraformWith(t, o, row.config+service(""))
			if found, ok := tf.apply(t); !ok || len(found) > 0 {
				t.Fatalf("applying gave %+v", found)
			}
			if diff := cmp.Diff(row.want, last); diff != "" {
				t.Errorf("the deployers were opened with another (- wanted, + got):\n%s", diff)
			}
			for i, all := 0, reflect.ValueOf(*last); what == "all of it" && i < all.NumField(); i++ {
				if all.Field(i).IsZero() {
					t.Errorf("%s is not among all that there is", all.Type().Field(i).Name)
				}
			}
		})
	}
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
	var b strings.Builder
	for i, m := range mistakes {
		fmt.Fprintf(&b, "provider \"serve\" {\n  alias = \"row_%d\"\n  aws = { %s }\n}\n", i, m.config)
		b.WriteString(strings.Replace(service(fmt.Sprintf("provider = serve.row_%d", i)), "web", fmt.Sprintf("row_%d", i), 1))
	}
	each := strings.Count(b.String(), "\n") / len(mistakes)
	said := make([]int, len(mistakes))
	for _, d := range newTerraform(t, newInfra(ready), b.String()).validate(t) {
		i := (d.Range.Start.Line - header - 1) / each
		m, text := mistakes[i], strings.Join(strings.Fields(d.Summary+": "+d.Detail), " ")
		if said[i]++; d.Severity != "error" || !strings.Contains(text, m.at) || !strings.Contains(text, m.says) {
			t.Errorf("%s gives %q, want one about %s that says %q", m.what, text, m.at, m.says)
		}
	}
	for i, m := range mistakes {
		if said[i] != 1 {
			t.Errorf("%s gives %d errors, want one about %s", m.what, said[i], m.at)
		}
	}
}

// Whatever of aws is made in the same run keeps nobody from planning.
func TestWhatIsNotKnownYetOfAWSIsNotWrong(t *testing.T) {
	t.Parallel()
	for what, aws := range map[string]string{
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
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			tf := newTerraform(t, newInfra(ready), strings.ReplaceAll("provider \"serve\" {\naws = "+aws+"\n}\n", "UNKNOWN", "terraform_data.late.output")+service("")+`
resource "terraform_data" "late" { input = timestamp() }
`)
			for _, d := range append(tf.validate(t), tf.plan(t)...) {
				t.Errorf("%s: %s", d.Summary, d.Detail)
			}
		})
	}
}
