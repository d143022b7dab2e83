// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// commandLine is Google's own command line, which is another client than the ones for
// Go that everything else here is tried with: it is written in another language, and
// from another copy of the model.
type commandLine struct {
	*rig

	path    string
	environ []string
}

func newCommandLine(t *testing.T, options gcptest.Options) commandLine {
	t.Helper()
	path, err := exec.LookPath("gcloud")
	if err != nil || testing.Short() {
		t.Skip("needs the command line of Google Cloud, which is in Google's own packages only, and some seconds")
	}
	r := newRig(t, options)
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "CLOUDSDK_") || strings.HasPrefix(v, "GOOGLE_")
	})
	return commandLine{r, path, append(environ, r.gcp.Environ()...)}
}

// run runs a command, which succeeds, and gives what it prints in words.
func (c commandLine) run(command string, more ...string) string {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.path, append(strings.Fields(command), more...)...)
	cmd.Env = c.environ
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		c.Fatalf("gcloud %s: %v\n%s%s", command, err, out, said.String())
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func TestTheCommandLineOfGoogleReadsWhatThereIsAndEndsIt(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, gcptest.Options{})
	c.rig.run("web-1", inSpot)
	c.rig.run("web-2", inZone("us-central1-f"))
	i, _ := c.gcp.Books().Instance("web-1")
	for _, row := range []struct{ command, want string }{
		{"compute instances list --sort-by=name --format=csv[no-heading](name,zone.basename(),status)", "web-1,us-east1-b,RUNNING web-2,us-central1-f,RUNNING"},
		{"compute instances list --filter=labels.service=web --zones=us-east1-b --format=value(name)", "web-1"},
		{
			"compute instances describe web-1 --zone=us-east1-b --format=value(scheduling.provisioningModel,networkInterfaces[0].accessConfigs[0].natIP)",
			"SPOT " + i.PublicIP,
		},
	} {
		if got := c.run(row.command); got != row.want {
			t.Errorf("%s: got %q, want %q", row.command, got, row.want)
		}
	}
	c.run("compute instances create web-3 --zone=us-east1-c --machine-type=e2-small --image-family=cos-stable --image-project=cos-cloud " +
		"--provisioning-model=SPOT --instance-termination-action=DELETE --labels=service=web --no-service-account --no-scopes --tags=serve-web")
	if i, _ := c.gcp.Books().Instance("web-3"); i.State != "RUNNING" || i.Market != gcptest.Spot || i.Labels["service"] != "web" {
		t.Errorf("the books have %+v", i)
	}
	// Several things at once it asks for in a batch.
	c.rig.run("web-4")
	c.run("compute instances delete web-1 web-4 --zone=us-east1-b")
	if live := c.gcp.Books().Live(); len(live) != 2 {
		t.Errorf("there are %+v", live)
	}
}

func TestTheCommandLineOfGoogleKnowsItsBucketsAndAccounts(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, gcptest.Options{})
	c.run("storage buckets create gs://serve-cli --location=us-east1 --uniform-bucket-level-access --public-access-prevention")
	file := filepath.Join(t.TempDir(), "note")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run("storage cp " + file + " gs://serve-cli/notes/one")
	if got := c.run("storage cat gs://serve-cli/notes/one"); got != "hello" {
		t.Errorf("the object says %q", got)
	}
	c.run("iam service-accounts create reader --display-name=Reader")
	account := "reader@" + gcptest.Project + ".iam.gserviceaccount.com"
	c.run("projects add-iam-policy-binding " + gcptest.Project + " --role=roles/viewer --condition=None --member=serviceAccount:" + account)
	c.run("storage rm gs://serve-cli/notes/one")
	c.run("storage buckets delete gs://serve-cli")
	left := c.gcp.Books().Left()
	if len(left) != 2 || !strings.Contains(left[0], account) || !strings.Contains(left[1], account) {
		t.Errorf("there is left: %q", left)
	}
}
