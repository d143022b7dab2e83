// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// localCloud gives the local cloud of a home directory.
func localCloud(home string) (*local.Cloud, error) {
	home, err := homeOf(home)
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program's own file: %w", err)
	}
	return local.NewCloud(local.CloudOptions{Root: home, Executable: executable, Log: slog.New(slog.DiscardHandler)}), nil
}

// preempt takes a local replica's machine away.
func (p *Program) preempt(ctx context.Context, args []string) error {
	f := newFlags("preempt")
	names, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	id, err := replicaID(names[1])
	if err != nil {
		return err
	}
	cloud, err := localCloud(*f.home)
	if err != nil {
		return err
	}
	return cloud.Preempt(ctx, names[0], id)
}

// market shows the local spot market, or changes it.
func (p *Program) market(ctx context.Context, args []string) error {
	f := newFlags("market")
	spot := f.Int("spot", -1, "")
	onDemand := f.Int("on-demand", -1, "")
	words, err := f.parse(args, 0, 2)
	if err != nil {
		return err
	}
	cloud, err := localCloud(*f.home)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0 || len(words) == 1 && words[0] == "show":
	case len(words) == 2 && words[0] == "set" && (*spot >= 0 || *onDemand >= 0):
		for market, n := range map[serve.Market]int{serve.Spot: *spot, serve.OnDemand: *onDemand} {
			if n < 0 {
				continue
			}
			if err := cloud.SetCapacity(ctx, words[1], market, n); err != nil {
				return err
			}
		}
	default:
		return usageError{"it takes show, or set with a zone and a capacity of 0 or more"}
	}
	return p.showMarket(ctx, cloud)
}

// showMarket prints what can be had where, and how much of it is in use.
func (p *Program) showMarket(ctx context.Context, cloud *local.Cloud) error {
	market, err := cloud.Market(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REGION\tZONE\tMARKET\tIN USE\tCAPACITY")
	for _, pool := range market.Pools {
		capacity := fmt.Sprint(pool.Capacity)
		if pool.Unlimited {
			capacity = "any"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", pool.Location.Region, pool.Location.Zone, pool.Market, pool.InUse, capacity)
	}
	return table.Flush()
}
