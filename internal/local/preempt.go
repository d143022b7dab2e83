// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Preempt takes the machine of a replica, as the market does: with the market's
// notice the machine is warned and kills itself at the deadline; without it is
// killed with everything on it before Preempt returns. A machine that was taken
// already is not taken twice. serve.ErrNotFound means that no such machine is up.
func (c *Cloud) Preempt(ctx context.Context, service string, replica int64) error {
	var taken []record
	h, err := openHome(c.root)
	if err != nil {
		return fmt.Errorf("preempting replica %d of service %q: %w", replica, service, err)
	}
	if !exists(h.replicas()) {
		return fmt.Errorf("preempting replica %d of service %q: %w", replica, service, serve.ErrNotFound)
	}
	err = c.inMarket(ctx, func(h home, cfg config) error {
		records, err := h.records()
		if err != nil {
			return err
		}
		up := slices.DeleteFunc(records, func(r record) bool {
			return r.instance.Ref.Service != service || r.instance.Ref.Replica != replica || !r.running()
		})
		if len(up) == 0 {
			return fmt.Errorf("no machine of it is up: %w", serve.ErrNotFound)
		}
		taken, err = claim(cfg, up, "it was preempted by hand")
		return err
	})
	if err == nil {
		err = c.take(ctx, h, taken)
	}
	if err != nil {
		return fmt.Errorf("preempting replica %d of service %q: %w", replica, service, err)
	}
	return nil
}

// claim writes the market's claim on the machines. The caller holds the
// market's lock, so that none is claimed twice.
func claim(cfg config, records []record, reason string) ([]record, error) {
	deadline := time.Now().UTC().Add(serve.Seconds(cfg.NoticeSeconds))
	for i := range records {
		r := &records[i]
		if r.taken() {
			continue
		}
		r.notice = notice{Deadline: deadline, Reason: reason}
		if err := jsonfile.Write(filepath.Join(r.dir, noticeFile), r.notice); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// take draws the machines' attention to their notices, and kills those whose
// deadline has come.
func (c *Cloud) take(ctx context.Context, h home, records []record) error {
	var due []record
	for _, r := range records {
		if !time.Now().Before(r.notice.Deadline) {
			due = append(due, r)
		} else if err := r.state.Process.signal(noticeSignal); err != nil {
			return err
		}
	}
	return kill(ctx, h, due...)
}

// kill ends machines as a power cut does: all at once, and each machine before
// what runs on it, lest it sees its program end.
func kill(ctx context.Context, h home, machines ...record) error {
	dead := make(map[serve.Ref]bool)
	for _, m := range machines {
		dead[m.instance.Ref] = true
		if err := m.state.Process.signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	for _, m := range machines {
		if err := m.state.Process.wait(ctx); err != nil {
			return err
		}
	}
	if len(dead) == 0 {
		return nil
	}
	return killAll(ctx, h, func(o owner) bool { return o.controller == "" && dead[o.ref] })
}

// enforce takes the newest spot machines wherever there are more than fit, as
// far as they are mine.
func (c *Cloud) enforce(ctx context.Context, mine func(serve.Ref) bool) error {
	var taken []record
	var h home
	err := c.inMarket(ctx, func(at home, cfg config) error {
		h = at
		pools, records, err := c.pools(h, cfg)
		if err != nil {
			return err
		}
		slices.SortFunc(records, func(a, b record) int {
			return cmp.Or(b.instance.LaunchedAt.Compare(a.instance.LaunchedAt), cmp.Compare(a.dir, b.dir))
		})
		var surplus []record
		for _, p := range pools {
			if p.Market == serve.Spot {
				surplus = append(surplus, newest(records, p, mine)...)
			}
		}
		taken, err = claim(cfg, surplus, "the market has taken it back")
		return err
	})
	if err != nil {
		return fmt.Errorf("taking machines the market has no room for: %w", err)
	}
	return c.take(ctx, h, taken)
}

// newest chooses which machines of a pool go, from records with the newest
// first. Those that are on their way out count; whose the others are does not
// matter for who has to go, only for who is told so here.
func newest(records []record, p Pool, mine func(serve.Ref) bool) []record {
	excess := p.excess()
	for _, r := range records {
		if r.locked && r.in(p) && (r.taken() || r.ending) {
			excess--
		}
	}
	var chosen []record
	for _, r := range records {
		if excess <= 0 {
			break
		}
		if !r.running() || !r.in(p) || r.taken() || r.ending {
			continue
		}
		excess--
		if mine(r.instance.Ref) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}
