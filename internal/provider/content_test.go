// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAnEditedWorkdirIsADiff(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	dir := writeFiles(t, map[string]string{"server.py": "one", ".gitignore": "*.log\n"})
	config := service(`workdir = "` + dir + `"`)
	tf.becomes(t, "create", config)
	writeFile(t, filepath.Join(dir, "access.log"), "ignored")
	tf.becomes(t, "noop", config)
	writeFile(t, filepath.Join(dir, "server.py"), "two")
	tf.becomes(t, "update", config)
	tf.becomes(t, "update", service(""))
	if got := f.count("put bundle"); got != 2 {
		t.Errorf("%d bundles were uploaded, want 2", got)
	}
	if k := tf.kept(t); k.Values.Revision != 3 {
		t.Errorf("the service is at revision %d, want 3", k.Values.Revision)
	}
}

func TestAnEditedMountIsADiff(t *testing.T) {
	t.Parallel()
	tf := newTerraform(t, newInfra(ready), "")
	file := filepath.Join(writeFiles(t, map[string]string{"app.conf": "one"}), "app.conf")
	config := service(`file_mounts = { "/etc/app.conf" = "` + file + `" }`)
	tf.becomes(t, "create", config)
	writeFile(t, file, "two")
	tf.becomes(t, "update", config)
	tf.becomes(t, "update", service(""))
}

func TestARenewedCertificateIsADiff(t *testing.T) {
	t.Parallel()
	tf := newTerraform(t, newInfra(ready), "")
	dir := t.TempDir()
	writeCertificate(t, dir)
	config := service(fmt.Sprintf("tls = {\n keyfile = %q\n certfile = %q\n }", filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")))
	tf.becomes(t, "create", service(""))
	tf.becomes(t, "update", config)
	if got := tf.kept(t).Values.Endpoint; got != "https://127.0.0.1:30001" {
		t.Errorf("the endpoint is %s", got)
	}
	writeCertificate(t, dir)
	tf.becomes(t, "update", config)
	tf.becomes(t, "update", service(""))
	if got := tf.kept(t).Values.Endpoint; got != "http://127.0.0.1:30001" {
		t.Errorf("the endpoint is %s", got)
	}
}

func TestCertificatesMayBeIssued(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	config := service(`tls = { acme = { domains = ["api.example.com"], agree_to_terms = true } }`)
	tf.becomes(t, "create", config)
	if got := tf.kept(t).Values.Endpoint; got != "https://127.0.0.1:30001" {
		t.Errorf("the endpoint is %s", got)
	}
	f.alter("web", func(c *controller) {
		if diff := cmp.Diff(&serve.TLS{ACME: &serve.ACME{Domains: []string{"api.example.com"}, AgreeToTerms: true}}, c.svc.Spec.TLS); diff != "" {
			t.Errorf("what the controller has (-want +got):\n%s", diff)
		}
		// Somebody has another domain issued.
		c.svc.Spec.TLS.ACME = &serve.ACME{Domains: []string{"else.example.com"}, AgreeToTerms: true}
	})
	tf.becomes(t, "update", config)
	dir := t.TempDir()
	writeCertificate(t, dir)
	tf.becomes(t, "update", service(fmt.Sprintf("tls = {\n keyfile = %q\n certfile = %q\n }", filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"))))
	tf.becomes(t, "update", config)
	tf.becomes(t, "update", service(""))
}

func TestAPathThatIsKnownLateIsReadLate(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"server.py": "serve()"})
	writeCertificate(t, dir)
	config := fmt.Sprintf(`
resource "terraform_data" "dir" { input = %q }
`, dir) + service(`
  workdir     = terraform_data.dir.output
  file_mounts = { "/etc/app" = "${terraform_data.dir.output}/server.py" }
  envs        = { DIR = terraform_data.dir.output }
  tls         = { keyfile = "${terraform_data.dir.output}/key.pem", certfile = "${terraform_data.dir.output}/cert.pem" }`)
	run(t, newInfra(ready), resource.TestStep{
		Config: config,
		ConfigPlanChecks: expecting(plancheck.ResourceActionCreate,
			plancheck.ExpectUnknownValue(address, tfjsonpath.New("workdir_digest")),
			plancheck.ExpectUnknownValue(address, tfjsonpath.New("tls_digest")),
			plancheck.ExpectUnknownValue(address, attribute("file_mounts_digests", "/etc/app"))),
	})
}

func TestWhatIsWrongOnlyOnceItIsKnownIsSaidBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, `
resource "terraform_data" "port" { input = "no port" }
`+service("envs = { (terraform_data.port.output) = 1 }"))
	found, _ := tf.apply(t)
	said(t, found, "error", `"no port" is not the name of a variable`)
	if len(f.calls) > 0 {
		t.Errorf("the infra was asked to %v", f.calls)
	}
}

func TestContentThatChangesAfterThePlanIsNotSent(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"server.py": "one"})
	m := serviceModel{Workdir: types.StringValue(dir)}
	if diags := m.digestContent(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	writeFile(t, filepath.Join(dir, "server.py"), "two")
	client, err := newInfra(ready).Deploy(t.Context(), "web", serve.DeployOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, diags := m.send(t.Context(), client, serve.NewSpec("web"), serve.ApplyOptions{})
	if len(diags) != 1 || diags[0].Summary() != "The content has changed" {
		t.Errorf("got %v, want one error about changed content", diags)
	}
}

// writeCertificate makes a key and a certificate for it in PEM.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
