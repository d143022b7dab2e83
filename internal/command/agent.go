// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"flag"
	"io"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
)

// agent runs on a replica's machine, where the user data has started it, and
// writes its log to where services of the system do.
func (p *Program) agent(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("agent", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	dir := set.String("dir", bootstrap.Dir, "")
	if err := set.Parse(args); err != nil || set.NArg() > 0 {
		return usageError{"it takes a directory and nothing else"}
	}
	log := slog.New(slog.NewTextHandler(p.Stderr, nil))
	log.Info("the agent starts", "version", p.Version)
	return agent.Run(ctx, agent.Options{Dir: *dir, Log: log})
}
