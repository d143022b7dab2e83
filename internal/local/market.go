// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Market is the market at one moment.
type Market struct {
	// Pools lists every zone in both markets, in the order of market.json.
	Pools []Pool `json:"pools"`
	// Notice is how long before its end a spot machine is warned.
	Notice time.Duration `json:"notice"`
}

// Pool is what one zone has to offer in one market.
type Pool struct {
	Location serve.Location `json:"location"`
	Market   serve.Market   `json:"market"`
	// Capacity is how many machines fit; Unlimited that any number does.
	Capacity  int  `json:"capacity"`
	Unlimited bool `json:"unlimited,omitempty"`
	// InUse is how many machines there are, of every service.
	InUse int `json:"in_use"`
	// Price is that of the cheapest machine type, in US dollars per hour.
	Price float64 `json:"price"`
}

// full reports whether another machine is too many.
func (p Pool) full() bool { return !p.Unlimited && p.InUse >= p.Capacity }

// excess is how many machines there are too many.
func (p Pool) excess() int {
	if p.Unlimited {
		return 0
	}
	return max(0, p.InUse-p.Capacity)
}

// Market gives the market as it is now.
func (c *Cloud) Market(ctx context.Context) (Market, error) {
	h, cfg, err := c.settled(ctx)
	if err != nil {
		return Market{}, err
	}
	pools, _, err := c.pools(h, cfg)
	return Market{Pools: pools, Notice: serve.Seconds(cfg.NoticeSeconds)}, err
}

// SetCapacity changes how many machines of the market fit into a zone, into all
// zones of a region, or with "*" into all zones. When there are more spot
// machines than that, the newest are taken as by [Cloud.Preempt].
// serve.ErrNotFound means that there is no such zone.
func (c *Cloud) SetCapacity(ctx context.Context, where string, market serve.Market, n int) error {
	if n < 0 || market != serve.Spot && market != serve.OnDemand {
		return fmt.Errorf("setting the %q capacity to %d: %w", market, n, serve.ErrInvalid)
	}
	err := c.inMarket(ctx, func(h home, cfg config) error {
		found := false
		for i := range cfg.Zones {
			z := &cfg.Zones[i]
			if where != "*" && where != z.Region && where != z.Zone {
				continue
			}
			found = true
			if market == serve.Spot {
				z.Spot = &n
			} else {
				z.OnDemand = &n
			}
		}
		if !found {
			return fmt.Errorf("setting the capacity of %q: no such zone or region in %s: %w", where, h.market(), serve.ErrNotFound)
		}
		return jsonfile.Write(h.market(), cfg)
	})
	if err != nil {
		return err
	}
	return c.enforce(ctx, func(serve.Ref) bool { return true })
}

// pools counts what there is and what is in use, and gives the machines it has
// counted: looked at again they may be others.
func (c *Cloud) pools(h home, cfg config) ([]Pool, []record, error) {
	records, err := h.records()
	if err != nil {
		return nil, nil, err
	}
	t, err := c.traces.open(h, cfg.Trace)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	var pools []Pool
	for _, z := range cfg.Zones {
		for _, m := range []serve.Market{serve.Spot, serve.OnDemand} {
			pools = append(pools, poolOf(cfg, t, z, m, now, records))
		}
	}
	return pools, records, nil
}

func poolOf(cfg config, t *trace, z zone, m serve.Market, now time.Time, records []record) Pool {
	p := Pool{Location: z.location(), Market: m, Unlimited: true}
	if n := z.capacity(m); n != nil {
		p.Capacity, p.Unlimited = *n, false
	}
	if m == serve.Spot {
		n, unlimited, known := t.at(z.Zone, now)
		if known && !unlimited && (p.Unlimited || n < p.Capacity) {
			p.Capacity, p.Unlimited = n, false
		}
	}
	for _, r := range records {
		if r.locked && r.in(p) {
			p.InUse++
		}
	}
	for i, kind := range cfg.Machines {
		if price := z.price(kind).in(m); i == 0 || price < p.Price {
			p.Price = price
		}
	}
	return p
}

// settled gives the market, written with its defaults when it was missing.
func (c *Cloud) settled(ctx context.Context) (home, config, error) {
	h, err := openHome(c.root)
	if err != nil {
		return "", config{}, err
	}
	cfg, err := readConfig(h)
	if err == nil && (cfg.Trace == nil || !cfg.Trace.StartedAt.IsZero()) {
		return h, cfg, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", config{}, err
	}
	err = c.inMarket(ctx, func(now home, settled config) error {
		h, cfg = now, settled
		return nil
	})
	return h, cfg, err
}

// inMarket calls f while nobody else changes the market or enters a machine.
func (c *Cloud) inMarket(ctx context.Context, f func(home, config) error) error {
	h, err := makeHome(c.root)
	if err != nil {
		return err
	}
	// Within the process waiting takes its turn; only other processes are
	// waited for with the lock file.
	_, leave, err := c.market.Enter(ctx, struct{}{})
	if err != nil {
		return fmt.Errorf("waiting for the market: %w", err)
	}
	defer leave()
	unlock, err := lock(ctx, h.marketLock())
	if err != nil {
		return err
	}
	defer unlock()
	cfg, err := settledConfig(h)
	if err != nil {
		return err
	}
	return f(h, cfg)
}
