// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

func TestMain(m *testing.M) {
	// As the SDKs find them; nothing of the person who runs the tests is used.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": awstest.AccessKey, "AWS_SECRET_ACCESS_KEY": awstest.SecretKey,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
	os.Unsetenv("AWS_CA_BUNDLE") // which has no place in a way that is no network's
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"GOOGLE_", "GCLOUD_", "CLOUDSDK_", "GCE_METADATA_"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
	os.Exit(m.Run())
}
