// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// fields is a structure of an API: what was asked, or what is answered.
type fields = cloudtest.Fields

// labelsOf gives the labels of a structure, whose values are all texts.
func labelsOf(f fields) map[string]string {
	out := map[string]string{}
	for k, v := range f.Sub("labels") {
		out[k], _ = v.(string)
	}
	return out
}

// stamp writes a moment as Compute Engine does, which is in California.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(time.FixedZone("PST", -8*60*60)).Format("2006-01-02T15:04:05.000-07:00")
}
