// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest_test

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestStore(t *testing.T) {
	servetest.TestStore(t, func(*testing.T) func() serve.Store {
		s := servetest.NewStore()
		return func() serve.Store { return s }
	})
}
