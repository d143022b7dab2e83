// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// These tests go over a real connection to whatever the environment, files and the
// configuration name.
func TestGoogleCloudIsReachedAsByItsOwnProvider(t *testing.T) {
	const acting = gcptest.Account
	for _, row := range []struct {
		name string
		// FILE stands for a file with the key of a service account, and KEY for the key.
		environment map[string]string
		config      gcp.Config
		shown       bool // to a controller that was given the key
		home        bool // has the key where the command line keeps it
		acts        bool // by a token that was had with another one
		bad         string
		err         error
	}{
		{name: "by a file that the environment names", environment: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "FILE"}},
		{name: "by where the command line keeps it", home: true},
		{name: "by a key in the environment", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY"}},
		{name: "by a file of the older variable", environment: map[string]string{"GOOGLE_CLOUD_KEYFILE_JSON": "FILE"}},
		{name: "by a key in the provider's configuration, whatever the environment says", environment: map[string]string{"GOOGLE_CREDENTIALS": "{}"}, config: gcp.Config{Credentials: "KEY"}},
		{name: "by a file in the provider's configuration", config: gcp.Config{Credentials: "FILE"}},
		{name: "by what a controller was given", shown: true},
		{name: "by what a controller was given, as another account", shown: true, config: gcp.Config{Impersonate: acting}, acts: true},
		{
			name: "in the project of the environment", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY", "GOOGLE_PROJECT": "somewhere-else"},
			err: serve.ErrNotFound, bad: "'projects/somewhere-else' was not found",
		},
		{
			name: "in the project of the provider's configuration, whatever the environment says", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY", "GOOGLE_PROJECT": "somewhere-else"},
			config: gcp.Config{Project: gcptest.Project},
		},
		{name: "as another account", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY"}, config: gcp.Config{Impersonate: acting}, acts: true},
		{name: "as another account of the environment", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": acting}, acts: true},
		{
			name: "not as an account that there is not", environment: map[string]string{"GOOGLE_CREDENTIALS": "KEY"}, config: gcp.Config{Impersonate: "nobody@" + gcptest.Project + ".iam.gserviceaccount.com"},
			err: serve.ErrNotFound, bad: "acting as nobody@",
		},
		{name: "not without credentials", environment: map[string]string{"NO_GCE_CHECK": "true"}, err: serve.ErrUnauthorized, bad: "gcloud auth application-default login"},
		{name: "not by a file that there is not", config: gcp.Config{Credentials: "/nowhere/key.json"}, err: serve.ErrInvalid, bad: "/nowhere/key.json"},
		{name: "not by something else in JSON", config: gcp.Config{Credentials: `{"type": "novel"}`}, err: serve.ErrInvalid, bad: "novel"},
		{name: "not by a key in another form", config: gcp.Config{Credentials: "a secret in another form"}, err: serve.ErrInvalid, bad: "no such file"},
		{name: "not by a file of something else", config: gcp.Config{Credentials: "TEXT"}, err: serve.ErrInvalid, bad: "are no JSON"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := gcptest.New(t, gcptest.Options{})
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
				return path
			}
			key := string(g.Credentials())
			put := strings.NewReplacer("FILE", write("key.json", key), "KEY", key, "TEXT", write("text", "a secret that is no key"))
			for name, value := range row.environment {
				t.Setenv(name, put.Replace(value))
			}
			if row.home {
				write(".config/gcloud/application_default_credentials.json", key)
				t.Setenv("HOME", dir)
			}
			if c := row.config.Credentials; c == "KEY" || c == "FILE" || c == "TEXT" {
				row.config.Credentials = put.Replace(c)
			}
			row.config.Endpoints = g.Endpoints()
			known, err := gcp.Brief("", row.config)
			if err != nil || strings.Contains(known, "PRIVATE KEY") {
				t.Fatalf("a controller would know %s, %v", known, err)
			}
			o := gcp.CloudOptions{Known: known}
			if row.config.Credentials != "" {
				o.Shown = fleettest.Shown(row.config.Credentials)
			}
			if row.shown {
				o.Shown = fleettest.Shown(key)
			}
			var by []string
			g.Fault(func(c gcptest.Call) gcptest.Verdict {
				if c.Method == "compute.regions.list" {
					by = append(by, c.Caller)
				}
				return gcptest.Verdict{}
			})
			offers, err := gcp.NewCloud(o).Offers(t.Context(), serve.Resource{Infra: "gcp/us-east1", InstanceType: "e2-standard-2"})
			if row.err != nil {
				if !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.bad) || strings.Contains(err.Error(), "a secret") {
					t.Errorf("got %v, want %v that says %q", err, row.err, row.bad)
				}
				return
			}
			if err != nil || len(offers) != 6 {
				t.Fatalf("got %d offers, and %v; want one in each zone and market", len(offers), err)
			}
			if !slices.Equal(by, []string{gcptest.Account}) {
				t.Errorf("asked by %v", by)
			}
			if n := g.Books().Calls["iamcredentials.projects.serviceAccounts.generateAccessToken"]; (n == 1) != row.acts {
				t.Errorf("%d tokens of others were had", n)
			}
		})
	}
}

// A token is good for an hour, and one is had for all who want it at once.
func TestTokensAreHadWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gcptest.New(t, gcptest.Options{})
		c := newCloud(t, g, gcp.Config{})
		list := func() {
			t.Helper()
			if _, err := c.Offers(t.Context(), serve.Resource{CPUs: "2"}); err != nil {
				t.Fatal(err)
			}
		}
		list()
		if n := g.Books().Calls["token"]; n != 1 {
			t.Errorf("%d tokens were had", n)
		}
		<-time.After(25 * time.Hour)
		list()
		if n := g.Books().Calls["token"]; n != 2 {
			t.Errorf("%d tokens were had after a day", n)
		}
	})
}

// A controller shows another key once it was given that and Google lets it in; what is
// under way goes on.
func TestGoogleIsShownTheKeyThatWasGivenLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		next := r.gcp.AddOwner("serve-next")
		first, second := string(r.gcp.ClientCredentials()), string(r.gcp.KeyOf(next))
		given := first
		o := options(t, r.gcp, rigConfig())
		o.Shown = func(context.Context, string) (string, error) { return given, nil }
		r.cloud = gcp.NewCloud(o)
		renew := func(what, text string, changed bool, want error, words string) {
			t.Helper()
			given = text
			got, err := r.cloud.Renew(t.Context())
			if got != changed || !errors.Is(err, want) || err != nil && (!strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "PRIVATE")) {
				t.Errorf("%s: changed is %v, %v; want %v, and %v that says %q", what, got, err, changed, want, words)
			}
		}
		renew("nothing was asked yet", first, false, nil, "")
		offer := r.offer(serve.Spot)
		stranger := r.gcp.AddOwner("serve-stranger")
		r.gcp.Disable(stranger)
		renew("of an account that is disabled", string(r.gcp.KeyOf(stranger)), false, serve.ErrUnauthorized, "account not found")
		renew("half of a key", second[:len(second)/2], false, serve.ErrInvalid, "are no JSON")
		renew("of another project", strings.Replace(second, `"`+gcptest.Project+`"`, `"elsewhere"`, 1), false, serve.ErrUnauthorized, "credentials of project elsewhere")
		r.gcp.Forbid("compute.regions.list")
		renew("that may do nothing", second, false, serve.ErrUnauthorized, "compute.regions.list")
		r.gcp.Allow("compute.regions.list")

		// Of a launch under way the first half is done with the old key, the rest with
		// the new one: the old one is disabled in between.
		launched := make(chan error)
		go func() {
			i, err := r.cloud.Launch(t.Context(), r.request(offer))
			if err == nil && !i.Running {
				err = errors.New("it is not running")
			}
			launched <- err
		}()
		<-time.After(5 * time.Second)
		renew("another one", second, true, nil, "")
		r.gcp.Disable(gcptest.Account)
		if err := <-launched; err != nil {
			t.Errorf("what was being launched: %v", err)
		}
		if n := len(r.gcp.Live()); n != 1 {
			t.Errorf("there are %d machines", n)
		}
		renew("the same", second, false, nil, "")
		list, err := r.cloud.List(t.Context(), "web")
		if err != nil || len(list) != 1 {
			t.Errorf("by the new key there are %+v, %v", list, err)
		}
	})
}

// What Google does not tell is estimated, and told again when it is back.
func TestOffersArePricedByGoogleOrByEstimates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gcptest.New(t, gcptest.Options{})
		off := gcptest.NotEnabled("Cloud Billing API")
		g.FailNext("cloudbilling.services.skus.list", off)
		c := newCloud(t, g, gcp.Config{})
		prices := func() map[serve.Market]float64 {
			t.Helper()
			offers, err := c.Offers(t.Context(), serve.Resource{Infra: "gcp/us-east1", InstanceType: "e2-standard-2"})
			if err != nil || len(offers) != 6 || !slices.IsSortedFunc(offers, func(a, b serve.Offer) int { return int(1e9 * (a.Price - b.Price)) }) {
				t.Fatalf("got %+v, %v", offers, err)
			}
			by := map[serve.Market]float64{}
			for _, o := range offers {
				by[o.Market] = float64(int(1e5*o.Price+0.5)) / 1e5
			}
			return by
		}
		estimated := map[serve.Market]float64{serve.OnDemand: 0.06701, serve.Spot: 0.0268}
		if got := prices(); !maps.Equal(got, estimated) {
			t.Errorf("the estimates are %v", got)
		}
		<-time.After(30 * time.Minute) // and nobody is asked meanwhile
		prices()
		<-time.After(31 * time.Minute)
		told := map[serve.Market]float64{serve.OnDemand: 0.06702, serve.Spot: 0.0201}
		if got := prices(); !maps.Equal(got, told) {
			t.Errorf("the prices are %v", got)
		}
		before := g.Books().Calls["cloudbilling.services.skus.list"]
		g.FailNext("cloudbilling.services.skus.list", off, off)
		<-time.After(24 * time.Hour)
		if got := prices(); !maps.Equal(got, told) {
			t.Errorf("the prices of yesterday were %v", got)
		}
		if now := g.Books().Calls["cloudbilling.services.skus.list"]; now != before+1 {
			t.Errorf("Google was asked %d times on the next day", now-before)
		}
	})
}
