// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// grace is for how long a program may go on after it was asked to end. A machine
	// that is preempted on short notice has half a minute for all of its shutdown.
	grace = 20 * time.Second
	// farewell is for how long connections may take to end when all is over.
	farewell = time.Second
	// powerOffPause is how long a machine is waited for that was told to power off.
	powerOffPause = time.Minute
	// addressPatience is how long the metadata service is asked for the machine's
	// address, addressPause how long between two times.
	addressPatience = 30 * time.Second
	addressPause    = 500 * time.Millisecond
)

// Options say how an agent is run.
type Options struct {
	// Dir is where the user data has put the agent's files.
	Dir string
	// Log receives what the agent has to say; nil discards it.
	Log *slog.Logger
}

// agent is the agent of one machine.
type agent struct {
	dir      string
	config   config
	log      *slog.Logger
	metadata metadata
	// host is the machine's own address, empty if it does not know it.
	host    string
	board   *board
	lease   *lease
	bundles *bundle.Dir
	output  *logfile.Writer
	// identity is what is shown to who connects.
	identity atomic.Pointer[tls.Certificate]
	// engine runs the container of an order that has one. It is the worker's alone.
	engine engine
	// closing ends what would go on for ever when all is over.
	closing context.Context

	mu      sync.Mutex
	order   *Order        // nil before there is one
	stale   []string      // what orders before it have left; see sealedOrder
	ordered chan struct{} // holds one value when there is work to do
	// replace ends what is being done for an order when there is another.
	replace context.CancelFunc
}

// Run is the life of an agent. It ends with ctx, after the program has been asked
// to end and has, or with an error that is trouble of the agent's own. When no
// controller has been heard of for the lease it powers the machine off.
func Run(ctx context.Context, o Options) error {
	a, err := open(o)
	if err != nil {
		return fmt.Errorf("running the agent in %s: %w", o.Dir, err)
	}
	defer a.output.Close()
	if err := a.run(ctx); err != nil {
		return fmt.Errorf("running the agent in %s: %w", o.Dir, err)
	}
	return nil
}

// open finds out what was before.
func open(o Options) (*agent, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// Scripts are told of paths in it, and have a working directory of their own.
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	a := &agent{dir: dir, log: o.Log, ordered: make(chan struct{}, 1), replace: func() {}}
	if a.config, err = readConfig(dir); err != nil {
		return nil, err
	}
	if a.metadata, err = metadataOf(a.config.Cloud); err != nil {
		return nil, err
	}
	for _, name := range []string{workDir, logDir, noticeDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if a.bundles, err = bundle.OpenDir(filepath.Join(dir, bundlesDir)); err != nil {
		return nil, err
	}
	a.output = logfile.Create(filepath.Join(dir, logDir, logFile))
	a.board = newBoard(State{Phase: PhaseIdle})
	a.lease = newLease(serve.Seconds(a.config.LeaseSeconds))
	a.identity.Store(&a.config.birth)
	return a, a.resume()
}

// resume takes up the order that an agent before this one was given.
func (a *agent) resume() error {
	var s sealedOrder
	err := jsonfile.Read(filepath.Join(a.dir, orderFile), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var progress State
	err = jsonfile.Read(filepath.Join(a.dir, progressFile), &progress)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || progress.Revision != s.Order.Revision {
		// Nothing is said yet of how far it is with this one.
		progress = State{Phase: PhaseFurnishing, Revision: s.Order.Revision}
	}
	a.board.show(progress)
	if progress.Phase != PhaseExited {
		a.wake()
	}
	return a.adopt(s)
}

// run lives until ctx ends, something fails or the lease runs out.
func (a *agent) run(ctx context.Context) error {
	a.host = a.findAddress(ctx)
	config := listenConfig()
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(a.host, strconv.Itoa(a.config.Port)))
	if err != nil {
		return err
	}
	a.log.Info("the agent listens", "address", listener.Addr().String())
	living, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	closing, closed := context.WithCancel(context.WithoutCancel(ctx))
	defer closed()
	a.closing = closing
	working, stop := context.WithCancel(closing)
	defer stop()
	var parts, worker sync.WaitGroup
	defer parts.Wait()
	server := a.server()
	parts.Go(func() {
		if err := server.ServeTLS(plainListener{listener}, "", ""); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
	parts.Go(func() { a.metadata.watch(living, a.log, a.warn) })
	worker.Go(func() {
		if err := a.work(working); err != nil {
			fail(err)
		}
	})
	end := sync.OnceFunc(func() {
		a.warn(Warning{Kind: WarningShutdown, At: time.Now(), Deadline: time.Now().Add(grace)})
		stop()
		worker.Wait()
	})
	parts.Go(func() { a.lastCall(living, end) })
	if a.lease.wait(living) == nil {
		a.log.Warn("no controller was heard of for the lease: the machine ends", "lease", a.lease.length)
		end()
		a.powerOff(living)
	}
	cause := context.Cause(living)
	// The server is there for as long as the program is: what it still answers goes
	// through here.
	end()
	fail(nil)
	closed()
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = server.Shutdown(patient)
	_ = server.Close()
	if ctx.Err() != nil {
		return nil // it was to end
	}
	return cause
}

// warn shows a warning, and tells the program of it in the file that it was told of.
func (a *agent) warn(w Warning) {
	if !a.board.warn(w) {
		return
	}
	a.log.Warn("the machine is going to end", "kind", w.Kind, "deadline", w.Deadline, "detail", w.Detail)
	if w.Kind != WarningInterruption {
		return
	}
	n, path := notice{Deadline: w.Deadline, Reason: w.Detail}, a.path(noticeDir, noticeFile)
	err := jsonfile.Write(path, n)
	if err == nil {
		err = os.Chmod(path, 0o644) // in a container it may be another user who reads it
	}
	if err != nil {
		a.log.Error("telling the program of the machine's end", "error", err)
	}
}

// lastCall ends the program of a machine that is going to be taken when as much
// time is left as a program is given to end: clouds ask nobody at the deadline.
func (a *agent) lastCall(ctx context.Context, end func()) {
	for {
		s, changed := a.board.look()
		var call <-chan time.Time
		for _, w := range s.Warnings {
			if w.Kind == WarningInterruption {
				call = time.After(time.Until(w.Deadline) - grace)
			}
		}
		select {
		case <-call:
			end()
			return
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// notice is the content of the notice file.
type notice struct {
	Deadline time.Time `json:"deadline"`
	Reason   string    `json:"reason"`
}

// powerOff ends the machine, which ends the agent too: it returns with ctx.
func (a *agent) powerOff(ctx context.Context) {
	again := time.NewTicker(powerOffPause)
	defer again.Stop()
	for {
		if said, err := exec.CommandContext(ctx, "shutdown", "-h", "now").CombinedOutput(); err != nil {
			a.log.Error("powering the machine off", "error", err, "said", string(said))
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// findAddress asks the metadata service for the machine's own address. Early in
// the life of a machine it may not answer yet.
func (a *agent) findAddress(ctx context.Context) string {
	patient, cancel := context.WithTimeout(ctx, addressPatience)
	defer cancel()
	for {
		address, err := a.metadata.address(patient)
		if err == nil {
			return address
		}
		select {
		case <-time.After(addressPause):
		case <-patient.Done():
			a.log.Error("asking for the machine's own address: it will listen on all", "error", err)
			return ""
		}
	}
}
