// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Restarter = (*Cloud)(nil)

// The files of a machine that is given another task.
const (
	orderFile = "order.json"
	nextDir   = ".next-" // begins the name of what holds its files until then
)

// Restart has the machine of req.Ref run another task. All that can go wrong with
// the task's files is done before the program that runs hears of it. Then the order
// is put down for the machine, which takes it up by itself: whoever has put it down
// may die, and finds out by asking again.
func (c *Cloud) Restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := checkName(req.Ref.Service); err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	ctx, leave, err := c.machines.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	defer leave()
	instance, err := c.restart(ctx, req)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	return instance, nil
}

func (c *Cloud) restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	h, err := openHome(c.root)
	if err != nil {
		return serve.Instance{}, err
	}
	r, err := upRecord(h.replica(req.Ref))
	if err != nil || r.instance.Revision == req.Revision {
		return r.instance, err
	}
	// Of its own, as an attempt before this one may be just being carried out.
	next, err := os.MkdirTemp(r.dir, nextDir)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("furnishing the machine: %w", err)
	}
	if err := c.give(ctx, h, r, next, req); err != nil {
		return serve.Instance{}, errors.Join(err, os.RemoveAll(next))
	}
	return awaitRevision(ctx, r, req.Revision)
}

// give puts the order down for a machine that is up, with its files.
func (c *Cloud) give(ctx context.Context, h home, r record, next string, req serve.LaunchRequest) error {
	if err := fill(ctx, next, req); err != nil {
		return err
	}
	o, err := c.orderFor(site{home: h, dir: r.dir, instance: r.instance}, req)
	if err != nil {
		return err
	}
	o.Next = next
	if o.Moves, err = movesOf(r.dir, next, req.Task); err != nil {
		return err
	}
	if err := jsonfile.Write(filepath.Join(r.dir, orderFile), o); err != nil {
		return err
	}
	return r.state.Process.signal(noticeSignal)
}

// upRecord reads a machine that is up; serve.ErrNotFound when it is not.
func upRecord(dir string) (record, error) {
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!r.running() || r.ending) {
		return record{}, fmt.Errorf("it is not up: %w", serve.ErrNotFound)
	}
	return r, err
}

// awaitRevision waits until the machine runs the revision.
func awaitRevision(ctx context.Context, r record, revision int64) (serve.Instance, error) {
	look := time.NewTicker(lockPatience)
	defer look.Stop()
	for {
		now, err := upRecord(r.dir)
		if err != nil || now.instance.Revision == revision {
			return now.instance, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return serve.Instance{}, fmt.Errorf("waiting for the machine to take up its task: %w", context.Cause(ctx))
		}
	}
}

// move is a file or directory that takes the place of another one.
type move struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// movesOf gives what is to be put in place when the program before has ended: the
// working directory as a whole, with what is mounted into it, and the mounts in the
// home directory.
func movesOf(dir, next string, t serve.Task) ([]move, error) {
	moves := []move{{From: filepath.Join(next, workDir), To: filepath.Join(dir, workDir)}}
	for target := range t.FileMounts {
		if !strings.HasPrefix(target, "~/") {
			continue
		}
		from, err := mountPath(next, target)
		if err != nil {
			return nil, err
		}
		to, err := mountPath(dir, target)
		if err != nil {
			return nil, err
		}
		moves = append(moves, move{from, to})
	}
	return moves, nil
}

// put puts it in place.
func (m move) put() error {
	if !exists(m.From) {
		return nil // it came along with what it was in
	}
	err := os.RemoveAll(m.To)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(m.To), 0o700)
	}
	if err == nil {
		err = os.Rename(m.From, m.To)
	}
	if err != nil {
		return fmt.Errorf("putting %s in place: %w", m.To, err)
	}
	return nil
}
