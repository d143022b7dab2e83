// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestTheLedgerIsOneLine(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0)
	service := serve.Service{Name: "web", Ledger: serve.Ledger{
		At: at.Add(-30 * time.Minute), OnDemand: serve.Usage{Dollars: 1}, Interrupted: 3, BelowSeconds: 61,
		Machines: []serve.Machine{{Market: serve.Spot, Price: 0.03, Regular: 0.10}},
	}}
	var out strings.Builder
	mustDo(t, func() error { return writeTables(&out, []serve.Service{service}, at, true) })
	want := "\nweb: spent $1.0150, saved $0.0350 against on-demand; interruptions: 3, below the target: 1m 1s\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("status -v says\n%s\nand not at its end\n%s", &out, want)
	}
}
