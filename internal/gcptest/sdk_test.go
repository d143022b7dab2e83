// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/impersonate"
	"cloud.google.com/go/auth/httptransport"
	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/option"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// The clients for Go find the emulation by its endpoint and its key, and nothing else.
func TestTheClientsForGoMakeAnInstanceOverTheNetwork(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{Pending: 50 * time.Millisecond})
	options := []option.ClientOption{
		option.WithEndpoint(g.Endpoint()), option.WithAuthCredentialsJSON(option.ServiceAccount, g.Credentials()),
	}
	r := &rig{T: t, gcp: g, options: options}
	r.instances = made(t, compute.NewInstancesRESTClient, options)
	r.operations = made(t, compute.NewZoneOperationsRESTClient, options)
	r.run("web-1", inSpot)
	if i, err := r.described("web-1"); err != nil || i.GetStatus() != "RUNNING" {
		t.Errorf("it is %v, %v", i, err)
	}
	if o := g.Books().Operations[0]; o.By != gcptest.Account {
		t.Errorf("it was made by %s", o.By)
	}
	if err := r.remove("web-1"); err != nil {
		t.Fatal(err)
	}
	if left := g.Books().Left(); len(left) > 0 {
		t.Errorf("there is left: %q", left)
	}
}

// All that can be asked within the call itself: the token, too, is had by Client.
func TestTokensAreHadWithoutANetwork(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	creds, err := credentials.NewCredentialsFromJSON(credentials.ServiceAccount, g.ClientCredentials(), &credentials.DetectOptions{
		Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}, Client: g.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := httptransport.NewClient(&httptransport.Options{Credentials: creds, BaseRoundTripper: g.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	projects := made(t, compute.NewProjectsRESTClient, []option.ClientOption{option.WithHTTPClient(client)})
	p, err := projects.Get(t.Context(), &computepb.GetProjectRequest{Project: gcptest.Project})
	if err != nil || p.GetName() != gcptest.Project {
		t.Errorf("the project is %v, %v", p, err)
	}
	if n := g.Books().Calls["token"]; n != 1 {
		t.Errorf("%d tokens were had", n)
	}
}

func TestAKeyIsTheAccountsOwn(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]string
	if err := json.Unmarshal(g.ClientCredentials(), &file); err != nil {
		t.Fatal(err)
	}
	file["private_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	forged, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		key  []byte
		want string
	}{
		"its key":                {g.ClientCredentials(), ""},
		"another key":            {forged, "invalid_grant"},
		"a key of somebody else": {bytes.ReplaceAll(g.ClientCredentials(), []byte("terraform@"), []byte("nobody@")), "invalid_grant"},
	} {
		creds, err := credentials.NewCredentialsFromJSON(credentials.ServiceAccount, row.key, &credentials.DetectOptions{
			Scopes: []string{"https://www.googleapis.com/auth/compute"}, Client: g.Client(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := creds.Token(t.Context()); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("with %s: %v, want %s", name, err, row.want)
		}
	}
}

func TestSomebodyMayActForAnother(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	ask := func() error {
		creds, err := impersonate.NewCredentials(&impersonate.CredentialsOptions{
			TargetPrincipal: gcptest.Account, Scopes: []string{"https://www.googleapis.com/auth/compute.readonly"}, Client: as(g, gcptest.Owner),
		})
		if err != nil {
			return err
		}
		client, err := httptransport.NewClient(&httptransport.Options{Credentials: creds, BaseRoundTripper: g.Client().Transport})
		if err != nil {
			return err
		}
		zones := made(t, compute.NewZonesRESTClient, []option.ClientOption{option.WithHTTPClient(client)})
		if _, err := zones.Get(t.Context(), &computepb.GetZoneRequest{Project: gcptest.Project, Zone: zone}); err != nil {
			return err
		}
		instances := made(t, compute.NewInstancesRESTClient, []option.ClientOption{option.WithHTTPClient(client)})
		_, err = instances.Insert(t.Context(), request("web-1"))
		return err
	}
	if err := ask(); reason(err) != "insufficientPermissions" {
		t.Errorf("with a token to read, an insert gives %v", err)
	}
	g.Forbid("iam.serviceAccounts.getAccessToken")
	if err := ask(); err == nil || !strings.Contains(err.Error(), "iam.serviceAccounts.getAccessToken") {
		t.Errorf("who may not act for it is told %v", err)
	}
}

func TestWhoeverIsUnknownIsToldNothing(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	for name, client := range map[string]*http.Client{
		"nobody": g.Client(), "a stranger": {Transport: bearer{"ya29.stranger", g.Client().Transport}},
		"somebody who signs badly": {Transport: bearer{"e30.e30.e30", g.Client().Transport}},
	} {
		zones := made(t, compute.NewZonesRESTClient, []option.ClientOption{option.WithHTTPClient(client)})
		if _, err := zones.Get(t.Context(), &computepb.GetZoneRequest{Project: gcptest.Project, Zone: zone}); reason(err) != "authError" {
			t.Errorf("%s is told %v", name, err)
		}
	}
}

// What the emulation relies on: every client names its API in the path, so that one
// endpoint is enough for all of them.
func TestTheClientsForGoNameTheirAPIInThePath(t *testing.T) {
	t.Parallel()
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		http.Error(w, "", http.StatusBadRequest)
	}))
	defer server.Close()
	zones := made(t, compute.NewZonesRESTClient, []option.ClientOption{option.WithEndpoint(server.URL), option.WithoutAuthentication()})
	if _, err := zones.Get(context.Background(), &computepb.GetZoneRequest{Project: "p", Zone: "z"}); err == nil {
		t.Error("a refusal was taken for an answer")
	}
	if path != "/compute/v1/projects/p/zones/z" {
		t.Errorf("it was asked at %s", path)
	}
}

func TestARequestThatGoogleDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	g.ExpectRefusals()
	const instances = "/compute/v1/projects/" + gcptest.Project + "/zones/" + zone + "/instances"
	for _, row := range []struct{ name, method, path, body, want string }{
		{"a parameter that there is not", "GET", instances + "?colour=blue", "", `Unknown name "colour"`},
		{"one that is no number", "GET", instances + "?maxResults=many", "", "Invalid value at 'maxResults'"},
		{"one that is none for this method", "GET", instances + "/web-1?requestId=1", "", `Unknown name "requestId"`},
		{"a name that can be none", "GET", instances + "/WEB", "", "Must be a match of regex"},
		{"a field that there is not", "POST", instances, `{"name": "a", "colour": "blue"}`, `Unknown name "colour"`},
		{"one within another", "POST", instances, `{"name": "a", "disks": [{"colour": "blue"}]}`, `at 'disks[0]'`},
		{"a field that only Google writes", "POST", instances, `{"name": "a", "status": "RUNNING"}`, "only for output"},
		{"a number that is to be a text", "POST", instances, `{"name": "a", "disks": [{"diskSizeGb": 10}]}`, "TYPE_STRING"},
		{"a text that is to be a number", "POST", instances, `{"name": "a", "guestAccelerators": [{"acceleratorCount": "1"}]}`, "a number"},
		{"a value that is none of those that there are", "POST", instances, `{"name": "a", "scheduling": {"provisioningModel": "CHEAP"}}`, "is none of"},
		{"a name that is missing", "POST", instances, `{}`, "Required field 'resource.name'"},
		{"content that is no JSON", "POST", instances, `name=a`, "Parse Error"},
		{"content that is not asked for", "POST", instances + "/web-1/stop", `{"force": true}`, "takes no content"},
		{"a method that is not done here", "POST", instances + "/web-1/suspend", "", "not done by package gcptest"},
		{"no method at all", "POST", instances + "/web-1/explode", "", "Not Found"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), row.method, "https://compute.googleapis.com"+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := as(g, gcptest.Owner).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := cloudtest.Read(t, res)
		if res.StatusCode < 400 || !strings.Contains(text, strings.ReplaceAll(row.want, `"`, `\"`)) {
			t.Errorf("%s: got %d %s, want %s", row.name, res.StatusCode, text, row.want)
		}
	}
	if got := g.Books().Refused; len(got) != 15 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "compute.instances.insert: ") }) {
		t.Errorf("the books have %q", got)
	}
}
