// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// allOfGCP is a gcp with every attribute that there is.
const allOfGCP = `provider "serve" {
  gcp = {
    project     = "my-project-123"
    region      = "europe-west4"
    zone        = "europe-west4-a"
    credentials = jsonencode({ type = "service_account" })

    impersonate_service_account = "serve@my-project-123.iam.gserviceaccount.com"

    regions        = ["europe-west4"]
    default_labels = { team = "search" }
    endpoints = {
      compute = "https://compute.example.com/compute/v1/"
      storage = "http://127.0.0.1:4443"
    }
    network               = "projects/my-project-123/regions/europe-west4/subnetworks/serve"
    use_private_addresses = true
  }
}
`

func TestHowGoogleCloudIsReachedIsHandedOnWhole(t *testing.T) {
	t.Parallel()
	isHandedOn(t, func(s Settings) *GCP { return s.GCP }, map[string]reaching[GCP]{
		"nothing": {"", &GCP{}},
		"a gcp without anything in it": {`provider "serve" {
  gcp = {}
}
`, &GCP{}},
		"a project that is made in the same run": {`provider "serve" {
  gcp = { project = terraform_data.project.output }
}
resource "terraform_data" "project" { input = "my-project-123" }
`, &GCP{Project: "my-project-123"}},
		allOfIt: {allOfGCP, &GCP{
			Project: "my-project-123", Region: "europe-west4", Zone: "europe-west4-a", Credentials: `{"type":"service_account"}`,
			Impersonate:   "serve@my-project-123.iam.gserviceaccount.com",
			Regions:       []string{"europe-west4"},
			DefaultLabels: map[string]string{"team": "search"},
			Endpoints:     map[string]string{"compute": "https://compute.example.com/compute/v1/", "storage": "http://127.0.0.1:4443"},
			Network:       "projects/my-project-123/regions/europe-west4/subnetworks/serve", Private: true,
		}},
	})
}

func TestWhatIsWrongWithGoogleCloudIsSaidWhenTheConfigurationIsValidated(t *testing.T) {
	t.Parallel()
	subnetwork := `network = "projects/my-project-123/regions/us-east1/subnetworks/serve"`
	eachIsSaid(t, gcpInfra, []mistake{
		{"a project by the name that is shown", `project = "My Project"`, "gcp.project", `"My Project" is not the id of a project, which is like "my-project-123"`},
		{"a project by its number", `project = "123456789012"`, "gcp.project", "the number of a project"},
		{"a project without an id", `project = ""`, "gcp.project", `"" is not the id of a project`},
		{"a region of AWS", `region = "us-east-1"`, "gcp.region", `"us-east-1" is not a region of Google Cloud, which have names like "us-east1"`},
		{"a zone for a region", `region = "us-east1-b"`, "gcp.region", "is not a region of Google Cloud"},
		{"a region for a zone", `zone = "us-east1"`, "gcp.zone", `"us-east1" is not a zone of Google Cloud, which have names like "us-east1-b"`},
		{"a zone of another region", `region = "us-east1", zone = "us-east4-b"`, "gcp.zone", `The zone "us-east4-b" is not in the region "us-east1"`},
		{"a zone of a region that begins the same", `region = "europe-west1", zone = "europe-west12-a"`, "gcp.zone", "is not in the region"},
		{"a country among the regions", `regions = ["us-east1", "Belgium"]`, "gcp.regions[1]", `"Belgium" is not a region of Google Cloud`},
		{"credentials that are empty", `credentials = " "`, "gcp.credentials", "They are empty"},
		{"credentials in no file", `credentials = "no-such-file.json"`, "gcp.credentials", "They are neither JSON, nor the path of a file that can be read"},
		{"credentials that are cut off", `credentials = "{"`, "gcp.credentials", "They cannot be read as JSON"},
		{"credentials of another kind", `credentials = jsonencode({ type = "password" })`, "gcp.credentials", `They must be JSON whose "type" is one of ` + "`service_account`"},
		{"credentials of no kind", `credentials = "{}"`, "gcp.credentials", `They must be JSON whose "type" is one of`},
		{"a file of something else", `credentials = "provider.go"`, "gcp.credentials", "The file cannot be read as JSON"},
		{"an account by its name", `impersonate_service_account = "serve"`, "gcp.impersonate_service_account", `"serve" is not the address of a service account`},
		{"a label with a capital", `default_labels = { Team = "search" }`, `gcp.default_labels["Team"]`, "begins with a lower-case letter"},
		{"a label that is long", `default_labels = { ` + strings.Repeat("a", 64) + ` = "x" }`, "gcp.default_labels", "at most 63"},
		{"a value with a space", `default_labels = { team = "the search" }`, `gcp.default_labels["team"]`, `"the search" is not the value of a label`},
		{"a label of Google's", `default_labels = { goog-team = "x" }`, `gcp.default_labels["goog-team"]`, "are Google's"},
		{"a label of the provider's own", `default_labels = { serve-infra-service = "x" }`, `gcp.default_labels["serve-infra-service"]`, "the provider's own"},
		{"an endpoint of a service that there is not", `endpoints = { ec2 = "https://ec2.example.com" }`, `gcp.endpoints["ec2"]`, `There is no service "ec2" that would be asked`},
		{"an endpoint without a scheme", `endpoints = { compute = "compute.example.com" }`, `gcp.endpoints["compute"]`, `"compute.example.com" is not a URL, as in "https://compute.example.com"`},
		{"a network by its address", `network = "10.0.0.0/8"`, "gcp.network", `"10.0.0.0/8" is neither the name of a network`},
		{"a subnetwork by its link in another region", `regions = ["us-east4"], network = "https://www.googleapis.com/compute/v1/projects/p/regions/us-east1/subnetworks/serve"`, "gcp.network", `The subnetwork is in the region "us-east1"`},
		{"a subnetwork in any region", subnetwork, "gcp.network", `The subnetwork is in the region "us-east1"; name that, and no other, by regions`},
		{"a subnetwork of another region", `regions = ["us-east4"], ` + subnetwork, "gcp.network", `The subnetwork is in the region "us-east1"`},
		{"a subnetwork of two regions", `regions = ["us-east1", "us-east4"], ` + subnetwork, "gcp.network", `The subnetwork is in the region "us-east1"`},
		{"addresses that are perhaps private", `use_private_addresses = "perhaps"`, "gcp", "a bool is required"},
	})
}

// What stands in the place of a path may be a key that was meant for another place,
// and a file of a key may be broken.
func TestNothingOfCredentialsIsRepeated(t *testing.T) {
	t.Parallel()
	const secret = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
	file := filepath.Join(t.TempDir(), "key.json")
	writeFile(t, file, `{"type": "service_account", "private_key": "`+secret)
	for what, credentials := range map[string]string{
		"a key": `"` + secret + `"`, "a JSON that is cut off": `"{\"private_key\": \"` + secret + `"`,
		"a key of no kind": `jsonencode({ type = "` + secret + `" })`, "a file that is cut off": fmt.Sprintf("%q", file),
	} {
		found := newTerraform(t, newInfra(ready), "provider \"serve\" {\n  gcp = { credentials = "+credentials+" }\n}\n"+service("")).validate(t)
		if len(found) != 1 || strings.Contains(found[0].Summary+found[0].Detail, secret) {
			t.Errorf("%s gives %+v, want one error without the secret", what, found)
		}
	}
}

// What Google's own provider takes is right here, too.
func TestWhatIsRightWithGoogleCloud(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.json")
	writeFile(t, file, `{"type": "external_account"}`)
	nothingIsSaid(t, gcpInfra, map[string]string{
		"credentials in a file":        fmt.Sprintf("{ credentials = %q }", file),
		"credentials of a person":      `{ credentials = jsonencode({ type = "authorized_user" }) }`,
		"a project of a domain":        `{ project = "example.com:my-project-123" }`,
		"a network by its name":        `{ network = "default" }`,
		"a network of another project": `{ network = "projects/host-project/global/networks/shared" }`,
		"a subnetwork in its region":   `{ regions = ["us-east1"], network = "projects/my-project-123/regions/us-east1/subnetworks/serve" }`,
		"a network by its link":        `{ network = "https://www.googleapis.com/compute/v1/projects/my-project-123/global/networks/mine" }`,
		"a subnetwork by its link":     `{ regions = ["us-east1"], network = "https://www.googleapis.com/compute/v1/projects/my-project-123/regions/us-east1/subnetworks/serve" }`,
		"a zone of a kind of its own":  `{ region = "us-central1", zone = "us-central1-ai1a" }`,
		"labels in other letters":      `{ default_labels = { straße = "", team_1 = "größe-2" } }`,
	})
}

// Whatever of gcp is made in the same run keeps nobody from planning.
func TestWhatIsNotKnownYetOfGoogleCloudIsNotWrong(t *testing.T) {
	t.Parallel()
	nothingIsSaid(t, gcpInfra, map[string]string{
		"each of its values": `{
			project        = UNKNOWN
			region         = UNKNOWN
			zone           = UNKNOWN
			credentials    = UNKNOWN
			impersonate_service_account = UNKNOWN
			regions        = [UNKNOWN]
			default_labels = { team = UNKNOWN }
			endpoints      = { compute = UNKNOWN }
			network        = UNKNOWN
			use_private_addresses = UNKNOWN == ""
		}`,
		"each of its collections": `{
			region         = "us-east1"
			zone           = UNKNOWN
			regions        = split(",", UNKNOWN)
			default_labels = { (UNKNOWN) = "x" }
			endpoints      = UNKNOWN == "" ? {} : { compute = "https://compute.example.com" }
			network        = "projects/my-project-123/regions/us-east1/subnetworks/serve"
		}`,
		"the region of its subnetwork": `{
			region  = UNKNOWN
			zone    = "us-east1-b"
			regions = [UNKNOWN]
			network = "projects/my-project-123/regions/us-east1/subnetworks/serve"
		}`,
		"all of it": `UNKNOWN == "" ? null : { region = "us-east1" }`,
	})
}
