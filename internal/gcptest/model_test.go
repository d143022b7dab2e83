// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARequestIsForTheMethodThatItsPathIsOf(t *testing.T) {
	t.Parallel()
	g := New(t, Options{})
	for _, row := range []struct {
		method, url, want string
		names             map[string]string
	}{
		{
			"GET", "https://compute.googleapis.com/compute/v1/projects/p/zones/us-east1-b/instances/web-1", "compute.instances.get",
			map[string]string{"project": "p", "zone": "us-east1-b", "instance": "web-1"},
		},
		{"GET", "http://127.0.0.1:1/compute/v1/projects/p/aggregated/instances", "compute.instances.aggregatedList", nil},
		{"POST", "http://127.0.0.1:1/compute/v1/projects/p/zones/z/operations/o/wait", "compute.zoneOperations.wait", nil},
		{
			"GET", "http://127.0.0.1:1/compute/v1/projects/debian-cloud/global/images/family/debian-12", "compute.images.getFromFamily",
			map[string]string{"family": "debian-12"},
		},
		{
			"GET", "http://127.0.0.1:1/storage/v1/b/serve/o/a%2Fb%20c", "storage.objects.get",
			map[string]string{"bucket": "serve", "object": "a/b c"},
		},
		{"POST", "http://127.0.0.1:1/upload/storage/v1/b/serve/o", "storage.objects.insert", nil},
		{
			"POST", "http://127.0.0.1:1/v1/projects/-/serviceAccounts/a@b.test:generateAccessToken",
			"iamcredentials.projects.serviceAccounts.generateAccessToken", map[string]string{"name": "projects/-/serviceAccounts/a@b.test"},
		},
		{"POST", "http://127.0.0.1:1/v1/projects/p:getIamPolicy", "cloudresourcemanager.projects.getIamPolicy", map[string]string{"resource": "p"}},
		{"POST", "https://iam.googleapis.com/v1/projects/p/serviceAccounts", "iam.projects.serviceAccounts.create", map[string]string{"name": "projects/p"}},
		{"GET", "http://127.0.0.1:1/v1/services/6F81-5844-456A/skus", "cloudbilling.services.skus.list", map[string]string{"parent": "services/6F81-5844-456A"}},
		{"GET", "https://storage.googleapis.com/compute/v1/projects/p", "", nil},
		{"PUT", "http://127.0.0.1:1/compute/v1/projects/p", "", nil},
	} {
		r, err := http.NewRequestWithContext(t.Context(), row.method, row.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := g.find(r)
		if ok != (row.want != "") || ok && got.method.ID != row.want {
			t.Errorf("%s %s is for %v, want %s", row.method, row.url, got.method, row.want)
			continue
		}
		for name, want := range row.names {
			if got.path[name] != want {
				t.Errorf("%s: %s is %q, want %q", row.url, name, got.path[name], want)
			}
		}
	}
}

func TestAnAnswerIsOneThatGoogleCouldGive(t *testing.T) {
	t.Parallel()
	m, err := models.Read("compute/v1")
	if err != nil {
		t.Fatal(err)
	}
	method := &method{Response: &schema{Ref: "Instance"}}
	for _, row := range []struct {
		name string
		out  fields
		want string
	}{
		{"numbers that are too large for JSON are texts", fields{"id": uint64(1 << 60)}, `"id": "1152921504606846976"`},
		{"what is nothing is left out", fields{"name": nil, "canIpForward": true}, `"canIpForward": true`},
		{"lists of structures", fields{"disks": []fields{{"diskSizeGb": 10, "index": 0}}}, `"diskSizeGb": "10"`},
		{"labels", fields{"labels": map[string]string{"a": "b"}}, `"a": "b"`},
		{"a moment", fields{"creationTimestamp": time.Unix(0, 0)}, `"1970-01-01T00:00:00Z"`},
		{"a field that there is not", fields{"colour": "blue"}, "there is no field colour"},
		{"one within another", fields{"disks": []fields{{"colour": "blue"}}}, "there is no field disks[0].colour"},
		{"a value that is none of those that there are", fields{"status": "HAPPY"}, "is none of"},
		{"a name that can be none", fields{"name": "Web"}, "Must be a match of regex"},
		{"a text that is a number", fields{"name": 1.5}, "which is no text"},
		{"a list that is none", fields{"disks": "many"}, "which is no list"},
		{"a structure that is none", fields{"tags": "many"}, "which is no object"},
	} {
		got, err := m.write(method, row.out)
		if text := string(got); !strings.Contains(text, row.want) && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: got %s, %v; want %s", row.name, text, err, row.want)
		}
	}
}
