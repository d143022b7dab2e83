// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// bareVariable makes the test below look at a system without certificates.
const bareVariable = "TEST_BARE"

func TestAuthoritiesAreKnownWhereTheSystemHasNone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("where the image does not run, the system verifies")
	}
	if os.Getenv(bareVariable) == "" {
		// What the system has is read once a process, so that it takes another one.
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		nowhere := filepath.Join(t.TempDir(), "nowhere")
		cmd.Env = append(os.Environ(), bareVariable+"=1", "SSL_CERT_FILE="+nowhere, "SSL_CERT_DIR="+nowhere)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	verified := 0
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certificate.Verify(x509.VerifyOptions{CurrentTime: certificate.NotBefore}); err == nil {
			verified++
		}
	}
	if verified == 0 {
		t.Error("no authority is known")
	}
}
