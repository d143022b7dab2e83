// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"net"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/local"
)

func TestThePageKeepsItsAddress(t *testing.T) {
	t.Parallel()
	claim, err := local.ClaimController(t.Context(), t.TempDir(), "web")
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Release()
	open := func() net.Listener {
		t.Helper()
		listener, err := openPage(t.Context(), claim)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		return listener
	}
	first := open()
	address := first.Addr().String()
	mustDo(t, func() error { return claim.Publish("https://127.0.0.1:1", "127.0.0.1:2", address) })
	if other := open().Addr().String(); other == address {
		t.Errorf("an address that is in use was opened")
	}
	first.Close()
	if again := open().Addr().String(); again != address {
		t.Errorf("it was at %s and is at %s", address, again)
	}
}
