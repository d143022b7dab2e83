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
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/changes"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Notices tells of the service's machines and of the market until ctx ends.
// Nothing is asked twice: the kernel tells when a process ends and when a file
// changes, and a timer when the trace does. While it runs it also is the hand of
// the market, which takes those of the service's spot machines there is no room
// for any more.
func (c *Cloud) Notices(ctx context.Context, service string, tell func(serve.Notice)) error {
	h, _, err := c.settled(ctx)
	if err == nil {
		h, err = makeHome(string(h))
	}
	if err != nil {
		return fmt.Errorf("watching machines: %w", err)
	}
	files, err := changes.Watch(string(h), h.replicas())
	if err != nil {
		return fmt.Errorf("watching machines: %w", err)
	}
	defer files.Close()
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{
		cloud: c, home: h, service: service, tell: tell, files: files,
		seen: make(map[string]*sighting), gone: make(chan string), trace: time.NewTimer(0),
	}
	defer w.waits.Wait()
	defer cancel()
	defer w.trace.Stop()
	if err := w.run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watching machines: %w", err)
	}
	return ctx.Err()
}

// watch is one call of Notices.
type watch struct {
	cloud   *Cloud
	home    home
	service string
	tell    func(serve.Notice)
	files   *changes.Watcher
	seen    map[string]*sighting // by directory
	gone    chan string          // directories of machines whose process has ended
	waits   sync.WaitGroup
	trace   *time.Timer // when the trace next changes something
	pools   []Pool      // the market at the last look
}

// sighting is what was told of a machine already.
type sighting struct {
	watched, warned, exited bool
	revision                int64 // of the program whose end was told
}

func (w *watch) run(ctx context.Context) error {
	// Files are being watched already, so that nothing falls between the first
	// look and what comes after it.
	records, err := w.home.records()
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := w.meet(ctx, r.dir); err != nil {
			return err
		}
	}
	if err := w.lookAtMarket(ctx); err != nil {
		return err
	}
	for {
		select {
		case e, ok := <-w.files.Events:
			if !ok {
				return os.ErrClosed
			}
			err = w.changed(ctx, e)
		case err = <-w.files.Failed:
		case dir := <-w.gone:
			err = w.lost(ctx, dir)
		case <-w.trace.C:
			err = w.lookAtMarket(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// changed sees to a changed file. Files are replaced by renaming, which shows
// as the creation of the new name.
func (w *watch) changed(ctx context.Context, e changes.Event) error {
	dir, name := filepath.Split(e.Name)
	dir = filepath.Clean(dir)
	switch {
	case dir == string(w.home) && name == marketFile:
		return w.lookAtMarket(ctx)
	case dir == w.home.replicas() && !strings.HasPrefix(name, "."):
		if changes.Created(e) {
			return w.meet(ctx, e.Name)
		}
		delete(w.seen, e.Name)
		return w.lookAtMarket(ctx)
	case w.seen[dir] != nil && changes.Created(e) && (name == stateFile || name == noticeFile):
		return w.look(ctx, dir)
	}
	return nil
}

// meet begins to watch a machine if it is one of the service's.
func (w *watch) meet(ctx context.Context, dir string) error {
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.instance.Ref.Service != w.service {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.files.Add(dir); err != nil {
		if !exists(dir) {
			return nil
		}
		return err
	}
	if w.seen[dir] == nil {
		w.seen[dir] = &sighting{}
	}
	return w.look(ctx, dir)
}

// look tells what is new about a machine.
func (w *watch) look(ctx context.Context, dir string) error {
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s := w.seen[dir]
	if r.ending || r.state.Phase == "" {
		// Somebody here has asked for its end, or it never was.
		return nil
	}
	if r.running() && !s.warned && time.Now().Before(r.notice.Deadline) {
		s.warned = true
		w.tell(serve.Notice{
			Kind: serve.NoticeInterruption, Ref: r.instance.Ref, Deadline: r.notice.Deadline, Detail: r.notice.Reason,
		})
	}
	if s.ends(r.state) {
		w.tell(serve.Notice{
			Kind: serve.NoticeExited, Ref: r.instance.Ref, ExitCode: r.state.ExitCode, Detail: r.state.Last, Revision: r.state.Revision,
		})
	}
	if s.watched {
		return nil
	}
	s.watched = true
	w.waits.Go(func() {
		if err := r.state.Process.wait(ctx); err != nil {
			if ctx.Err() == nil {
				w.cloud.log.ErrorContext(ctx, "waiting for the end of a machine", "machine", r.instance.ID, "error", err)
			}
			return
		}
		select {
		case w.gone <- dir:
		case <-ctx.Done():
		}
	})
	// It may have come up when its place in the market was lost already.
	return w.lookAtMarket(ctx)
}

// ends reports whether a program has ended of which that was not told.
func (s *sighting) ends(now state) bool {
	if now.Phase != phaseExited || s.exited && s.revision == now.Revision {
		return false
	}
	s.exited, s.revision = true, now.Revision
	return true
}

// lost sees to a machine whose process has ended.
func (w *watch) lost(ctx context.Context, dir string) error {
	if w.seen[dir] == nil {
		return nil
	}
	if err := w.look(ctx, dir); err != nil {
		return err
	}
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.ending {
		return nil
	}
	if err != nil {
		return err
	}
	detail := "its machine's process has ended"
	if r.taken() {
		detail = r.notice.Reason
	}
	w.tell(serve.Notice{Kind: serve.NoticeGone, Ref: r.instance.Ref, Detail: detail})
	// Nothing runs on without its machine; and the dead one is a child of ours,
	// maybe, and has to be waited for. The next notice need not wait for that.
	w.waits.Go(func() {
		if err := killAll(ctx, w.home, of(r.instance.Ref)); err != nil && ctx.Err() == nil {
			w.cloud.log.ErrorContext(ctx, "ending what a dead machine has left", "machine", r.instance.ID, "error", err)
		}
		w.cloud.children.reap(r.state.Process)
	})
	return w.lookAtMarket(ctx)
}

// lookAtMarket takes what there is no room for, and tells where there is room
// again: where the capacity has grown, and where it was used up and is not any more.
func (w *watch) lookAtMarket(ctx context.Context) error {
	h, cfg, err := w.cloud.settled(ctx)
	var now []Pool
	if err == nil {
		now, _, err = w.cloud.pools(h, cfg)
	}
	var t *trace
	if err == nil {
		t, err = w.cloud.traces.open(h, cfg.Trace)
	}
	if err != nil {
		// A slip of the person who is editing the file; it will change again.
		w.cloud.log.WarnContext(ctx, "reading the market", "error", err)
		return ctx.Err()
	}
	moment := time.Now()
	if next := t.next(cfg.Zones, moment); next.IsZero() {
		w.trace.Stop()
	} else {
		w.trace.Reset(next.Sub(moment))
	}
	before := w.pools
	w.pools = now
	for _, p := range now {
		if p.Market == serve.Spot && p.excess() > 0 {
			mine := func(ref serve.Ref) bool { return ref.Service == w.service }
			if err := w.cloud.enforce(ctx, mine); err != nil {
				return err
			}
			break
		}
	}
	for _, p := range before {
		for _, q := range now {
			if p.Location == q.Location && p.Market == q.Market && q.hasMoreThan(p) {
				w.tell(serve.Notice{
					Kind: serve.NoticeCapacity, Location: q.Location, Market: q.Market, Detail: q.describe(),
				})
			}
		}
	}
	return nil
}

// hasMoreThan reports whether it is worth asking p again for someone whom it
// may have turned away when it was before.
func (p Pool) hasMoreThan(before Pool) bool {
	if p.full() {
		return false
	}
	return before.full() || !before.Unlimited && (p.Unlimited || p.Capacity > before.Capacity)
}

func (p Pool) describe() string {
	if p.Unlimited {
		return fmt.Sprintf("%s has room for any number of %s machines", p.Location.Zone, p.Market)
	}
	return fmt.Sprintf("%s has room for %d %s machines, %d are in use", p.Location.Zone, p.Capacity, p.Market, p.InUse)
}
