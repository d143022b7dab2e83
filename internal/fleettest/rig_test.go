// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"os"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

func TestMain(m *testing.M) {
	awstest.Alone()
	gcptest.Alone()
	os.Exit(m.Run())
}
