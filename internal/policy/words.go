// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// word is a market as it is called in sentences.
func word(m serve.Market) string {
	if m == serve.OnDemand {
		return "on-demand"
	}
	return string(m)
}

// article is a market with its article.
func article(m serve.Market) string {
	if m == serve.OnDemand {
		return "an on-demand"
	}
	return "a " + string(m)
}

// replicas counts replicas in words.
func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

// replicasOf counts replicas of a market in words.
func replicasOf(m serve.Market, n int) string {
	if n == 1 {
		return "1 " + word(m) + " replica"
	}
	return fmt.Sprintf("%d %s replicas", n, word(m))
}

// are is the verb that goes with n things.
func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// times says how often.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// plus says how many more there are to be.
func plus(overprovision int) string {
	if overprovision == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", overprovision)
}

// clock writes a time of day for a reason.
func clock(t time.Time) string { return t.Format("15:04:05 MST") }
