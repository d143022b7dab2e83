// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// The controller is told how other clouds are reached and what they are shown, notes
// where it has machines, and whoever destroys it knows the same and ends them.
func TestAControllerHasMachinesInOtherClouds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, e := newDeployer(t)
		other, unused := servetest.NewScripted(t, "gcp", serve.Offer{InstanceType: "m2"}), servetest.NewScripted(t, "kubernetes")
		var last Abroad
		d.means.Abroad = func(a Abroad) []serve.Cloud {
			last = a
			return []serve.Cloud{other, servetest.NewScripted(t, "test"), unused}
		}
		d.means.Briefs = map[string]string{"gcp": `{"config":{"project":"p"}}`}
		if got := d.means.Clouds("test"); !slices.Equal(got, []string{"test", "gcp", "kubernetes"}) {
			t.Errorf("machines are from %q", got)
		}
		var shown []string
		for _, given := range []serve.CloudCredentials{{"gcp": "first"}, {"gcp": "key"}, nil} {
			if _, err := d.Deploy(t.Context(), "web", serve.DeployOptions{CloudCredentials: given}); err != nil {
				t.Fatal(err)
			}
			s, err := read(t.Context(), e.Memory)
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, s.Shown)
		}
		if shown[0] == "" || shown[0] == shown[1] || shown[1] != shown[2] {
			t.Errorf("what is shown is told apart as %q", shown)
		}
		s, err := read(t.Context(), e.Memory)
		if err != nil {
			t.Fatal(err)
		}
		host := &Host{Bucket: e.Memory, settings: s}
		a, err := host.Abroad(t.Context())
		if err != nil || a.Notes["gcp"] != `{"config":{"project":"p"}}` {
			t.Errorf("at first it is known %q, %v", a.Notes, err)
		}
		if text, err := a.Shown(t.Context(), "gcp"); text != "key" || err != nil {
			t.Errorf("the cloud is shown %q, %v", text, err)
		}
		if text, err := a.Shown(t.Context(), "kubernetes"); text != "" || err != nil {
			t.Errorf("a cloud that nothing was given for is shown %q, %v", text, err)
		}

		// The deployer's word of how a cloud is reached counts, the note's of where
		// machines are.
		if err := a.Note("gcp", `{"config":{"project":"old"},"account":"p","regions":["us-east1"]}`); err != nil {
			t.Fatal(err)
		}
		const want = `{"config":{"project":"p"},"account":"p","regions":["us-east1"]}`
		if again, err := host.Abroad(t.Context()); err != nil || again.Notes["gcp"] != want {
			t.Errorf("then it is known %q, %v; want %s", again.Notes, err, want)
		}
		ref := serve.Ref{Service: "web", UID: "u", Replica: 1}
		if _, err := other.Launch(t.Context(), serve.LaunchRequest{Ref: ref, Offer: serve.Offer{InstanceType: "m2"}}); err != nil {
			t.Fatal(err)
		}
		unused.OnCall(func(context.Context, string, serve.Ref) error {
			return errors.New("a cloud that is not used was asked")
		})
		swept, err := d.Destroy(t.Context(), "web")
		if err != nil || len(swept) != 1 || swept[0].Ref != ref {
			t.Errorf("swept was %+v, %v", swept, err)
		}
		known, err := a.Scope()
		if scope, err2 := last.Scope(); err != nil || err2 != nil || scope != known || scope == "" {
			t.Errorf("the machines are looked for by %q, and known by %q", scope, known)
		}
		if last.Notes["gcp"] != want {
			t.Errorf("the machines are looked for in %q", last.Notes["gcp"])
		}
		if keys, err := e.List(t.Context(), ""); err != nil || len(keys) > 0 {
			t.Errorf("there are left %q, %v", keys, err)
		}
	})
}
