// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// exampleOnGCP makes a workspace with an example, on a Google Cloud of ours.
func exampleOnGCP(t *testing.T, name string, o gcptest.Options) (*example, *gcptest.GCP) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs Terraform against real processes; TF_ACC=1 or make test does so")
	}
	cloud := newGCP(t, o)
	return onTheExample(t, name, "gcp", emulatedGCP{cloud}), cloud
}

// confined is the name of a service account that may do little, and of its role.
const confined = "confined"

// confineGCP has everything done by a service account that may do what the roles of
// examples say, and nothing else, and gives how the provider is told so.
func confineGCP(t *testing.T, cloud *gcptest.GCP, examples ...string) string {
	t.Helper()
	through := option.WithHTTPClient(&http.Client{Transport: bearing{cloud}})
	accounts, err := iam.NewService(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	projects, err := cloudresourcemanager.NewService(t.Context(), through)
	if err != nil {
		t.Fatal(err)
	}
	var permissions []string
	for _, example := range examples {
		text, err := os.ReadFile(filepath.Join("../../examples", example, "role.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range regexp.MustCompile(`(?m)^\s*- (\S+)$`).FindAllStringSubmatch(string(text), -1) {
			permissions = append(permissions, item[1])
		}
	}
	const in = "projects/" + gcptest.Project
	role, err := accounts.Projects.Roles.Create(in, &iam.CreateRoleRequest{RoleId: confined, Role: &iam.Role{Title: confined, IncludedPermissions: permissions}}).Do()
	if err != nil {
		t.Fatal(err)
	}
	account, err := accounts.Projects.ServiceAccounts.Create(in, &iam.CreateServiceAccountRequest{AccountId: confined}).Do()
	if err != nil {
		t.Fatal(err)
	}
	policy := &cloudresourcemanager.Policy{Bindings: []*cloudresourcemanager.Binding{{Role: role.Name, Members: []string{"serviceAccount:" + account.Email}}}}
	if _, err := projects.Projects.SetIamPolicy(gcptest.Project, &cloudresourcemanager.SetIamPolicyRequest{Policy: policy}).Do(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("impersonate_service_account = %q", account.Email)
}

// bearing is the way to a Google Cloud of ours for its owner.
type bearing struct{ *gcptest.GCP }

// RoundTrip implements [http.RoundTripper].
func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.Token(gcptest.Owner))
	return b.Client().Transport.RoundTrip(r)
}

// The example as it stands.
func TestAccTheExampleOnGCP(t *testing.T) {
	e, cloud := exampleOnGCP(t, "gcp", gcptest.Options{Machines: true})
	// The provider is told of credentials that nobody else knows, and the controller by it.
	e.configure(fmt.Sprintf("credentials = %q\n %s", os.Getenv(credentialsVariable), confineGCP(t, cloud, "gcp")))
	e.env = append(e.env, credentialsVariable+"=")
	e.lives(emulatedGCP{cloud})
}

// The same on Google Cloud itself, which gives no notice when it is asked to delete an
// instance.
func TestAccTheExampleOnGCPItself(t *testing.T) {
	g := newGCPItself(t)
	e := onTheExample(t, "gcp", "gcp", g)
	e.configure(fmt.Sprintf("project = %q\n default_labels = { %s = %q }", g.project, markKey, markLabel))
	e.survives()
}

// What would be in the way is said by the plan, which makes nothing anywhere.
func TestAccThePlanOnGCP(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*example, *gcptest.GCP)
		code int
		says string
	}{
		{"no permission to launch", func(_ *example, c *gcptest.GCP) { c.Forbid("compute.instances.create") }, 1, "compute.instances.create"},
		{"no credentials", func(e *example, _ *gcptest.GCP) {
			e.env = append(e.env, credentialsVariable+"=")
		}, 1, "no Google Cloud credentials are to be had"},
		{"a small quota", func(_ *example, c *gcptest.GCP) {
			for _, region := range []string{"us-east1", "us-central1"} {
				for _, metric := range []string{"CPUS", "N2_CPUS", "N2D_CPUS", "C3_CPUS"} {
					c.SetQuota(region, metric, 0)
				}
			}
			c.SetQuota("us-east1", "CPUS", 2)
		}, 0, "There may be 3 on-demand machines at a time, and the quotas of the project leave room for 1 of them"},
		{"no way to Google Cloud", func(e *example, _ *gcptest.GCP) {
			e.env = append(e.env, "GOOGLE_COMPUTE_CUSTOM_ENDPOINT=http://127.0.0.1:9")
		}, 0, "could not be found out"},
		{"nothing is in the way", func(*example, *gcptest.GCP) {}, 0, "hourly_cost"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, cloud := exampleOnGCP(t, "gcp", gcptest.Options{})
			row.with(e, cloud)
			if out := strings.Join(strings.Fields(strings.ReplaceAll(e.must(row.code, "plan"), "│", " ")), " "); !strings.Contains(out, row.says) {
				t.Errorf("the plan does not say %q:\n%s", row.says, out)
			}
			if b := cloud.Books(); len(b.Instances)+len(b.Firewalls) > 0 {
				t.Errorf("the plan has made %+v", b)
			}
			if left, err := os.ReadDir(e.home); err != nil || len(left) > 0 {
				t.Errorf("the plan has left %v in the home, %v", left, err)
			}
		})
	}
}
