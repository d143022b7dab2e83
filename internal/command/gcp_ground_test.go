// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// emulatedGCP is a Google Cloud of ours.
type emulatedGCP struct{ *gcptest.GCP }

func (emulatedGCP) patience() time.Duration { return 2 * time.Minute }
func (e emulatedGCP) end(id string)         { e.Fail(id) }
func (e emulatedGCP) take(id string)        { e.Preempt(id, 10*time.Second) }

func (e emulatedGCP) live() []machine {
	var all []machine
	for _, i := range e.Books().Live() {
		all = append(all, machine{id: i.Name, spot: i.Market == gcptest.Spot, controls: i.Labels["serve-infra-controller"] != ""})
	}
	return all
}

func (e emulatedGCP) left() []string {
	b := e.Books()
	all := slices.Concat(b.Firewalls, slices.Collect(maps.Keys(b.Buckets)), b.Accounts, b.Roles, b.Granted)
	for _, d := range b.Disks {
		all = append(all, "the disk "+d.Name)
	}
	for _, a := range b.Addresses {
		all = append(all, "the address "+a.Name)
	}
	return slices.DeleteFunc(all, func(what string) bool { return strings.Contains(what, confined) })
}

func (e emulatedGCP) readable() map[string]string {
	found := map[string]string{}
	for _, i := range e.Books().Live() {
		found["the metadata of "+i.Name] = fmt.Sprint(i.Metadata)
		found["the labels of "+i.Name] = fmt.Sprint(i.Labels)
		found["the console of "+i.Name] = e.Console(i.Name)
	}
	return found
}

func (e emulatedGCP) watch() <-chan time.Time {
	launches := make(chan time.Time, 1000)
	e.Fault(func(c gcptest.Call) gcptest.Verdict {
		scheduling, _ := c.In["scheduling"].(map[string]any)
		if c.Method == "compute.instances.insert" && scheduling["provisioningModel"] != gcptest.Spot {
			launches <- c.Time
		}
		return gcptest.Verdict{}
	})
	return launches
}

// credentialsVariable names a file of credentials to all of Google's own programs.
const credentialsVariable = "GOOGLE_APPLICATION_CREDENTIALS"

// newGCP makes a Google Cloud, and an environment of somebody who may do anything there
// and is out of sight of any other.
func newGCP(t *testing.T, o gcptest.Options) *gcptest.GCP {
	t.Helper()
	g := gcptest.New(t, o)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "GOOGLE_") || strings.HasPrefix(name, "GCLOUD_") || strings.HasPrefix(name, "CLOUDSDK_") {
			t.Setenv(name, "")
		}
	}
	key := filepath.Join(t.TempDir(), "key.json")
	mustDo(t, func() error { return os.WriteFile(key, g.Credentials(), 0o600) })
	t.Setenv(credentialsVariable, key)
	t.Setenv("CLOUDSDK_CONFIG", t.TempDir())
	for service, url := range g.Endpoints() {
		name := map[string]string{
			"cloudbilling": "CLOUD_BILLING", "cloudresourcemanager": "RESOURCE_MANAGER", "iamcredentials": "IAM_CREDENTIALS",
		}[service]
		if name == "" {
			name = strings.ToUpper(service)
		}
		t.Setenv("GOOGLE_"+name+"_CUSTOM_ENDPOINT", url)
	}
	return g
}

// endpointsOf writes where a Google Cloud of ours answers, for the provider.
func endpointsOf(g *gcptest.GCP) string {
	all := g.Endpoints()
	var b strings.Builder
	for _, service := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "    %s = %q\n", service, all[service])
	}
	return "endpoints = {\n" + b.String() + "  }"
}
