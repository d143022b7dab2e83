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
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
)

// begin runs the program of the order.
func (m *machine) begin(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	m.stop, m.ended, m.over = stop, ended, false
	go func() { ended <- m.run(ctx) }()
}

// readOrder takes up the order to run another task, if there is one: the program is
// ended, the files are put in place, and the new one begins. An order is removed
// before it is carried out, as there are secrets in it; one that was carried out
// already was put down by somebody who did not know.
func (m *machine) readOrder(ctx context.Context) error {
	path := filepath.Join(m.dir, orderFile)
	var o order
	err := jsonfile.Read(path, &o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, os.Remove(path)); err != nil {
		return fmt.Errorf("reading the orders: %w", err)
	}
	if o.Revision == m.order.Revision {
		return os.RemoveAll(o.Next)
	}
	if err := m.endProgram(ctx); err != nil {
		return err
	}
	for _, move := range o.Moves {
		if err := move.put(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(o.Next); err != nil {
		return err
	}
	m.order = o
	m.ending.Store(false)
	m.begin(ctx)
	return nil
}

// endProgram ends the program and waits for it, gently for as long as the machine
// is there and nobody has asked for its end.
func (m *machine) endProgram(ctx context.Context) error {
	m.ending.Store(true)
	limit := grace
	if deadline := m.claimedAt(); !deadline.IsZero() {
		limit = min(limit, time.Until(deadline))
	}
	patient, cancel := context.WithTimeout(ctx, limit)
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
	m.stop() // nothing is started any more
	if err := killAll(context.WithoutCancel(ctx), m.home, of(m.ref)); err != nil {
		return err
	}
	if !m.over {
		m.over = true
		if err := <-m.ended; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}
