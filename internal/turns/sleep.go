// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package turns

import (
	"context"
	"time"
)

// Sleep waits, and reports false when the context ended first.
func Sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
