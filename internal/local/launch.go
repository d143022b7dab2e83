// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// Launch makes the machine of req.Ref. A machine that was up once is returned
// as it is, not Running when it is dead: one reference never gets a second
// machine before it was terminated. When Launch fails it leaves nothing behind.
func (c *Cloud) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := checkName(req.Ref.Service); err != nil {
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	ctx, leave, err := c.machines.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	defer leave()
	instance, err := c.launch(ctx, req)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	return instance, nil
}

func (c *Cloud) launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := c.disown(ctx, req.Ref); err != nil {
		return serve.Instance{}, err
	}
	var s site
	err := c.inMarket(ctx, func(h home, cfg config) (err error) {
		s, err = c.reserve(ctx, h, cfg, req)
		return err
	})
	if err != nil || s.lock == nil {
		return s.instance, err
	}
	err = c.build(ctx, s, req)
	// From here on the machine alone holds the lock, or nobody does.
	s.lock.Close()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return serve.Instance{}, errors.Join(err, c.clear(context.WithoutCancel(ctx), s.home, req.Ref))
	}
	s.instance.Running = true
	return s.instance, nil
}

// disown ends what is left of a machine whose directory someone has deleted:
// nothing is known of it any more, and another one is about to take its name.
func (c *Cloud) disown(ctx context.Context, ref serve.Ref) error {
	h, err := openHome(c.root)
	if err != nil || exists(h.replica(ref)) {
		return err
	}
	return killAll(ctx, h, of(ref))
}

// site is a directory in which a machine is being made. Its lock is nil when
// the machine is there already.
type site struct {
	home     home
	config   config
	dir      string
	lock     *os.File
	instance serve.Instance
}

// reserve finds the machine, or a place for it. The directory comes into sight
// with its lock held and its tags in it, so that there is no instant at which a
// crash leaves something that List cannot name. The caller holds the market's lock.
func (c *Cloud) reserve(ctx context.Context, h home, cfg config, req serve.LaunchRequest) (site, error) {
	s := site{home: h, config: cfg, dir: h.replica(req.Ref)}
	found, err := readRecord(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return site{}, err
	case found.locked && !found.running():
		return site{}, fmt.Errorf("another process is launching it: %w", serve.ErrConflict)
	case found.state.Phase != "":
		s.instance = found.instance
		return s, nil
	}
	// Whatever is there else is what a crash has left of a launch.
	if err := remove(s.dir); err != nil {
		return site{}, err
	}
	// Directories are made under the market's lock only, so that nobody is just
	// making one of these.
	if err := sweepDirs(h.replicas(), unborn, buried); err != nil {
		return site{}, err
	}
	if err := c.admit(h, cfg, req.Offer); err != nil {
		return site{}, err
	}
	address, err := allocate(ctx, h, cfg, req)
	if err != nil {
		return site{}, err
	}
	s.instance = serve.Instance{
		Ref:        req.Ref,
		Revision:   req.Revision,
		ID:         filepath.Base(s.dir),
		Offer:      req.Offer,
		Address:    address,
		LaunchedAt: time.Now().UTC().Round(0),
	}
	return s, s.found()
}

// found makes the directory.
func (s *site) found() (err error) {
	temp, err := os.MkdirTemp(s.home.replicas(), unborn)
	if err != nil {
		return fmt.Errorf("making the machine's directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("making the machine's directory: %w", err)
			os.RemoveAll(temp)
		}
	}()
	if err := jsonfile.Write(filepath.Join(temp, refFile), s.instance); err != nil {
		return err
	}
	held, err := os.OpenFile(filepath.Join(temp, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(lockOpen(held), os.Rename(temp, s.dir)); err != nil {
		held.Close()
		return err
	}
	s.lock = held
	return nil
}

// admit checks that the offer is on sale and that there is room for it.
func (c *Cloud) admit(h home, cfg config, offer serve.Offer) error {
	sold := false
	for _, t := range cfg.Machines {
		sold = sold || t.Name == offer.InstanceType
	}
	if !sold {
		return fmt.Errorf("the market has no machine %q: %w", offer.InstanceType, serve.ErrInvalid)
	}
	pools, _, err := c.pools(h, cfg)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if p.Location != offer.Location || p.Market != offer.Market {
			continue
		}
		if p.full() {
			return fmt.Errorf("zone %s has room for %d %s machines and %d are in use: %w",
				p.Location.Zone, p.Capacity, p.Market, p.InUse, serve.ErrCapacity)
		}
		return nil
	}
	return fmt.Errorf("the market sells no %q machines in %s: %w", offer.Market, offer.Location, serve.ErrInvalid)
}

// build makes the machine in its directory and starts it.
func (c *Cloud) build(ctx context.Context, s site, req serve.LaunchRequest) error {
	boot := time.NewTimer(serve.Seconds(s.config.BootSeconds))
	defer boot.Stop()
	select {
	case <-boot.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := furnish(ctx, s.dir, req); err != nil {
		return err
	}
	o, err := c.orderFor(s, req)
	if err != nil {
		return err
	}
	return c.start(ctx, s, o)
}

// start starts the machine's process and returns when its program is being started.
func (c *Cloud) start(ctx context.Context, s site, o order) error {
	told, err := unlinked(s.dir, o)
	if err != nil {
		return fmt.Errorf("writing the machine's orders: %w", err)
	}
	defer told.Close()
	trouble, err := os.OpenFile(filepath.Join(s.dir, troubleLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the machine's log: %w", err)
	}
	defer trouble.Close()
	up, ready, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the machine: %w", err)
	}
	defer up.Close()
	defer ready.Close()

	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.executable, "local-machine", s.dir)
	cmd.Env = append(task.Inherited(os.Environ()), tagsOf(s.home, s.instance.Ref)...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = trouble, trouble
	cmd.ExtraFiles = []*os.File{inheritedLock - 3: s.lock, inheritedOrder - 3: told, inheritedReady - 3: ready}
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the machine: %w", err)
	}
	ready.Close()
	// A child that was not waited for keeps its id, so this names the right one.
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		return errors.Join(fmt.Errorf("starting the machine: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	c.children.adopt(p, cmd)

	defer context.AfterFunc(ctx, func() { _ = up.SetReadDeadline(time.Unix(1, 0)) })()
	if n, err := up.Read(make([]byte, 1)); n == 0 {
		said, _ := os.ReadFile(filepath.Join(s.dir, troubleLog))
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		c.children.reap(p)
		return fmt.Errorf("the machine did not come up: %s: %w", strings.TrimSpace(string(said)), err)
	}
	return nil
}

// unlinked writes v to a file that has no name any more, and so cannot be read
// by anyone who is not given it, nor be left behind.
func unlinked(dir string, v any) (*os.File, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".order-*")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
