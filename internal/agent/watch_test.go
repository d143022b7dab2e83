// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// line is a network of one machine, in the time of a test. It can be cut, as a
// cable is: both ends hear nothing more, and nobody tells them.
type line struct {
	conns chan net.Conn
	mu    sync.Mutex
	cut   bool
}

// still is an end of a line, which says nothing once the line is cut.
type still struct {
	net.Conn
	line *line
}

func (s still) Write(p []byte) (int, error) {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	if s.line.cut {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (l *line) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *line) Close() error { return nil }

func (l *line) Addr() net.Addr { return &net.TCPAddr{} }

func (l *line) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- still{far, l}:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *line) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

// wired gives an agent that has its order already and runs nothing, and a client
// of it, in the time of a test.
func wired(t *testing.T, dir string, keys Keys) (*agent, *Client, *line) {
	t.Helper()
	a, err := open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	closing, closed := context.WithCancel(context.WithoutCancel(t.Context()))
	a.closing = closing
	l := &line{conns: make(chan net.Conn)}
	server := a.server()
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	c := NewClient(ClientOptions{Address: "machine:1", Keys: keys, Young: true})
	c.dial = l.dial
	t.Cleanup(func() {
		c.Close()
		closed()
		close(l.conns)
		_ = server.Close()
		serving.Wait()
		_ = a.output.Close()
		a.lease.timer.Stop()
	})
	return a, c, l
}

// A watch tells every change at once, is there however long nothing changes, and
// has the machine's lease go on.
func TestAWatchTellsChanges(t *testing.T) {
	r := newRig(t, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := wired(t, r.dir, r.keys)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var heard []Phase
		var at []time.Duration
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- c.Watch(ctx, func(s State) bool {
				heard, at = append(heard, s.Phase), append(at, time.Since(began))
				return s.Phase != PhaseExited
			})
		}()
		var changes []time.Duration
		for _, p := range []Phase{PhaseSetup, PhaseRun, PhaseExited} {
			<-time.After(10 * time.Minute) // much longer than the lease
			synctest.Wait()
			a.board.show(State{Phase: p})
			changes = append(changes, time.Since(began))
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for i, p := range []Phase{PhaseIdle, PhaseSetup, PhaseRun, PhaseExited} {
			if heard[i] != p || i > 0 && at[i] != changes[i-1] {
				t.Fatalf("it heard %v at %v, and the changes were at %v", heard, at, changes)
			}
		}
		select {
		case <-a.lease.timer.C:
			t.Error("the lease has run out while there was a watch")
		default:
		}
	})
}

// A machine that is not heard from any more is unreachable a few seconds later,
// and can be watched again when it is back.
func TestAWatchEndsWhenTheLineIsCut(t *testing.T) {
	r := newRig(t, time.Hour)
	synctest.Test(t, func(t *testing.T) {
		_, c, l := wired(t, r.dir, r.keys)
		time.AfterFunc(time.Minute, func() { l.setCut(true) })
		began := time.Now()
		told := 0
		err := c.Watch(t.Context(), func(State) bool { told++; return true })
		if took := time.Since(began); !errors.Is(err, serve.ErrUnreachable) || took < time.Minute || took > time.Minute+silence {
			t.Errorf("the watch ended after %v with %v, want %v within %v", took, err, serve.ErrUnreachable, time.Minute+silence)
		}
		began = time.Now()
		if _, err := c.State(t.Context()); !errors.Is(err, serve.ErrUnreachable) || time.Since(began) > patience {
			t.Errorf("a question gives %v after %v, want %v within %v", err, time.Since(began), serve.ErrUnreachable, patience)
		}
		l.setCut(false)
		if err := c.Watch(t.Context(), func(State) bool { told++; return false }); err != nil {
			t.Errorf("watching again: %v", err)
		}
		if told != 2 {
			t.Errorf("%d states were told, want 2", told)
		}
	})
}

// Whoever is told may take his time without the machine being taken for dead.
func TestAWatchWaitsForWhoIsTold(t *testing.T) {
	r := newRig(t, time.Hour)
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := wired(t, r.dir, r.keys)
		told := 0
		err := c.Watch(t.Context(), func(State) bool {
			told++
			a.board.show(State{Phase: PhaseRun})
			<-time.After(silence - time.Millisecond)
			return told < 3
		})
		if err != nil || told != 3 {
			t.Errorf("%d states were told: %v", told, err)
		}
	})
}

// A reader that does not read does not hold a machine up for ever.
func TestAMachineGivesUpWhoDoesNotRead(t *testing.T) {
	r := newRig(t, time.Hour)
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := wired(t, r.dir, r.keys)
		res, err := c.do(t.Context(), http.MethodGet, pathWatch, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for range 10 { // beats fill what is buffered on the way
			<-time.After(time.Hour)
			a.board.warn(Warning{Kind: WarningRebalance, Detail: time.Now().String()})
		}
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Error("the watch has gone on for hours though nobody read")
		}
	})
}

func TestALeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(time.Minute)
		began := time.Now()
		for _, step := range []struct {
			after time.Duration
			do    func()
		}{
			{59 * time.Second, l.renew},
			{59 * time.Second, func() { l.set(time.Hour) }},
			{59 * time.Minute, l.renew},
		} {
			<-time.After(step.after)
			step.do()
		}
		if err := l.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 118*time.Second + 59*time.Minute + time.Hour
		if took := time.Since(began); took != want {
			t.Errorf("it ran out after %v, want %v", took, want)
		}
	})
}

func TestAWaitForALeaseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := newLease(time.Minute).wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it gave %v", err)
		}
	})
}
