// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
)

// Options say how an agent is run.
type Options struct {
	// Dir is where the user data has put the agent's files.
	Dir string
	// Log receives what the agent has to say; nil discards it.
	Log *slog.Logger
}

// Run is the life of an agent. It ends with ctx, after the program has.
func Run(ctx context.Context, o Options) error { return errors.ErrUnsupported }
