// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The files a machine inherits from its launcher.
const (
	inheritedLock  = 3 // the machine's lock, held as long as this is open
	inheritedOrder = 4 // what to do
	inheritedReady = 5 // to be written to when the program is being started
)

// machine is the process that stands for a replica's machine.
type machine struct {
	home     home
	ref      serve.Ref
	dir      string
	order    order
	lock     *os.File // open as long as the machine lives
	ready    *os.File
	self     process
	notices  chan os.Signal
	deadline <-chan time.Time
	log      *logfile.Writer
	// ending is set when the machine is about to end its program.
	ending atomic.Bool
	// ended tells how the present program went, over that it was heard; stop ends it.
	ended <-chan error
	over  bool
	stop  context.CancelFunc
}

// RunMachine is the life of the machine in dir. It is what
// "Executable local-machine DIR" has to call, in a process that [Cloud.Launch]
// has started: it runs setup and run, warns and kills itself when the market
// takes it, and returns nil when ctx ends or SIGTERM arrives, after its program
// has ended.
func RunMachine(ctx context.Context, dir string) error {
	// Before anything else: until these are caught a signal kills.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	notices := make(chan os.Signal, 1)
	signal.Notify(notices, noticeSignal)
	defer signal.Stop(notices)

	m, err := enter(dir)
	if err != nil {
		return fmt.Errorf("running the machine in %s: %w", dir, err)
	}
	defer m.log.Close()
	m.notices = notices
	return m.live(ctx)
}

// enter takes over what the launcher has handed down.
func enter(dir string) (*machine, error) {
	// A person who calls the command by hand has nothing to hand down, and what
	// has these numbers then is not ours to touch.
	if !isOpenAs(inheritedLock, filepath.Join(dir, lockFile)) {
		return nil, errors.New("machines are started by the local cloud only")
	}
	r, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	m := &machine{
		dir:   dir,
		ref:   r.instance.Ref,
		lock:  os.NewFile(inheritedLock, lockFile),
		ready: os.NewFile(inheritedReady, "ready"),
	}
	orders := os.NewFile(inheritedOrder, "order")
	keep(m.lock)
	keep(m.ready)
	keep(orders)
	defer orders.Close()
	if err := json.NewDecoder(orders).Decode(&m.order); err != nil {
		return nil, fmt.Errorf("reading the orders: %w", err)
	}
	if m.home, err = openHome(filepath.Dir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	if m.self, err = identify(os.Getpid()); err != nil {
		return nil, err
	}
	m.log = logfile.Create(filepath.Join(dir, logDir, logFile))
	return m, nil
}

// live runs the program and waits for the end, whichever it is.
func (m *machine) live(ctx context.Context) error {
	m.begin(ctx)
	defer func() { m.stop() }()
	m.readNotice()
	for {
		select {
		case err := <-m.ended:
			if err != nil {
				return fmt.Errorf("running the machine in %s: %w", m.dir, err)
			}
			// A machine whose program has ended is still a machine.
			m.ended, m.over = nil, true
		case <-m.notices:
			m.readNotice()
			if err := m.readOrder(ctx); err != nil {
				return fmt.Errorf("running the machine in %s: %w", m.dir, err)
			}
		case <-m.deadline:
			return m.die(ctx)
		case <-ctx.Done():
			return m.shutDown(context.WithoutCancel(ctx))
		}
	}
}

// readNotice sets the alarm for the deadline. A notice that is not there, or not
// readable, changes nothing.
func (m *machine) readNotice() {
	if deadline := m.claimedAt(); !deadline.IsZero() {
		m.deadline = time.After(time.Until(deadline))
	}
}

func (m *machine) claimedAt() time.Time {
	var n notice
	if err := jsonfile.Read(filepath.Join(m.dir, noticeFile), &n); err != nil {
		return time.Time{}
	}
	return n.Deadline
}

// die ends the machine as the market does: at once, and without a word.
func (m *machine) die(ctx context.Context) error {
	m.ending.Store(true)
	if err := killAll(ctx, m.home, of(m.ref)); err != nil {
		return err
	}
	return m.self.signal(syscall.SIGKILL)
}

// shutDown ends the program, gently at first, and then plays the time that a
// machine takes to go.
func (m *machine) shutDown(ctx context.Context) error {
	m.ending.Store(true)
	patient, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	found, err := signalAll(m.home, syscall.SIGTERM, of(m.ref))
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := p.wait(patient); err != nil {
			break // the patience is at an end
		}
	}
	if err := killAll(ctx, m.home, of(m.ref)); err != nil {
		return err
	}
	if cfg, err := readConfig(m.home); err == nil && cfg.ShutdownSeconds > 0 {
		select {
		case <-time.After(serve.Seconds(cfg.ShutdownSeconds)):
		case <-m.deadline:
		}
	}
	return nil
}
