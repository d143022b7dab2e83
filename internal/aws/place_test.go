// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"slices"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
)

func TestABriefKeepsWhereMachinesAre(t *testing.T) {
	t.Parallel()
	if text, err := Brief("", Config{}); text != "" || err != nil {
		t.Errorf("nothing to know is %q, %v", text, err)
	}
	known := place{Config: Config{Profile: "old"}, Account: "123456789012", Regions: []string{"us-east-1"}}
	text, err := Brief(known.String(), Config{Profile: "new"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := fleet.ParsePlace[Config](text)
	if err != nil || got.Config.Profile != "new" || got.Account != known.Account || !slices.Equal(got.Regions, known.Regions) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Brief("no place", Config{}); err == nil {
		t.Error("what cannot be read is thrown away")
	}
}

func TestWhereThereNeverWasAMachineNobodyIsAsked(t *testing.T) {
	t.Parallel()
	// With these nobody gets in, and nobody has to.
	known, err := Brief("", Config{Profile: "there is no such profile"})
	if err != nil {
		t.Fatal(err)
	}
	c := NewCloud(CloudOptions{Known: known})
	if list, err := c.List(t.Context(), "web"); err != nil || len(list) > 0 {
		t.Errorf("List = %v, %v", list, err)
	}
	if err := c.Clean(t.Context(), "web"); err != nil {
		t.Errorf("Clean = %v", err)
	}
}
