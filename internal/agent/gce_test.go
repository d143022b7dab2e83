// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// engineMetadata is the metadata service of Compute Engine, as a machine finds it:
// a question that waits for a change is answered when there is one.
type engineMetadata struct {
	*testing.T
	mu        sync.Mutex
	preempted string
	version   int
	changed   chan struct{}
	// notice is what the machine has asked for, nothing if it is empty.
	notice string
	// failing is how often it fails before it answers again, asked how often it was
	// asked for a change.
	failing, asked int
}

func newEngineMetadata(t *testing.T) *engineMetadata {
	t.Helper()
	e := &engineMetadata{T: t, preempted: "FALSE", changed: make(chan struct{})}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Cleanup(func() { e.preempt("") }) // nobody waits any more
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(server.URL, "http://"))
	return e
}

// preempt has something else be the answer.
func (e *engineMetadata) preempt(answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.preempted = answer
	e.version++
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *engineMetadata) fail(times int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failing = times
}

func (e *engineMetadata) questions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

func (e *engineMetadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	switch r.URL.Path {
	case "/computeMetadata/v1/instance/network-interfaces/0/ip":
		io.WriteString(w, "127.0.0.1\n")
	case "/computeMetadata/v1/instance/preempted":
		e.answer(w, r)
	case "/computeMetadata/v1/instance/attributes/" + GCENotice:
		if e.notice == "" {
			http.NotFound(w, r)
		}
		io.WriteString(w, e.notice)
	default:
		e.Errorf("it was asked for %s", r.URL)
		http.NotFound(w, r)
	}
}

func (e *engineMetadata) answer(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failing > 0 {
		e.failing--
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if r.FormValue("wait_for_change") == "true" {
		e.asked++
		seconds, err := strconv.Atoi(r.FormValue("timeout_sec"))
		if err != nil {
			e.Errorf("it was asked to wait for %q", r.FormValue("timeout_sec"))
		}
		if r.FormValue("last_etag") == strconv.Itoa(e.version) {
			changed := e.changed
			e.mu.Unlock()
			select {
			case <-changed:
			case <-time.After(time.Duration(seconds) * time.Second):
			case <-r.Context().Done():
			}
			e.mu.Lock()
		}
	}
	w.Header().Set("ETag", strconv.Itoa(e.version))
	io.WriteString(w, e.preempted)
}

// A preemption is told at once, also when the service has failed before, and when
// something else has changed.
func TestComputeEngineIsHeard(t *testing.T) {
	for name, before := range map[string]func(*engineMetadata){
		"at once":         func(*engineMetadata) {},
		"after a failure": func(e *engineMetadata) { e.fail(2); e.preempt("FALSE") },
		"after no news":   func(e *engineMetadata) { e.preempt("FALSE") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngineMetadata(t)
			ctx, cancel := context.WithTimeout(t.Context(), waiting)
			defer cancel()
			warnings := make(chan Warning, 10)
			var watching sync.WaitGroup
			watching.Go(func() {
				newGCE().watch(ctx, slog.New(slog.DiscardHandler), func(w Warning) { warnings <- w })
			})
			defer watching.Wait()
			defer cancel()
			settled := func(n int) {
				for e.questions() < n && ctx.Err() == nil {
					<-time.After(5 * time.Millisecond)
				}
			}
			settled(1)
			if before(e); name != "at once" {
				settled(2)
			}
			began := time.Now()
			e.preempt("TRUE")
			select {
			case w := <-warnings:
				if took := time.Since(began); took > time.Second {
					t.Errorf("it was heard of %v later", took)
				}
				if left := w.Deadline.Sub(began); w.Kind != WarningInterruption || left < gceNotice || left > gceNotice+time.Second {
					t.Errorf("the warning is %+v", w)
				}
			case <-ctx.Done():
				t.Fatal("nothing was told")
			}
			select {
			case w := <-warnings:
				t.Errorf("it was told twice: %+v", w)
			default:
			}
		})
	}
}

// How long the machine is there yet follows from what was asked for when it was made.
func TestTheNoticeIsWhatWasAskedFor(t *testing.T) {
	for notice, want := range map[string]time.Duration{"": gceNotice, "0": gceNotice, "120": 2 * time.Minute, "long": gceNotice} {
		e := newEngineMetadata(t)
		e.notice = notice
		if got := newGCE().notice(t.Context()); got != want {
			t.Errorf("of %q there are %v, want %v", notice, got, want)
		}
	}
}

// A machine that was preempted before its agent was there is told of it, too.
func TestComputeEngineIsHeardLate(t *testing.T) {
	e := newEngineMetadata(t)
	e.preempt("TRUE")
	ctx, cancel := context.WithTimeout(t.Context(), waiting)
	defer cancel()
	newGCE().watch(ctx, slog.New(slog.DiscardHandler), func(Warning) { cancel() })
	if ctx.Err() != context.Canceled {
		t.Errorf("nothing was told: %v", ctx.Err())
	}
}

// A machine of Compute Engine is furnished as any other, and its controller hears
// that it is preempted.
func TestAMachineOfComputeEngine(t *testing.T) {
	python(t)
	e := newEngineMetadata(t)
	r := newRigOf(t, "gcp", time.Hour)
	r.unit()
	c := r.client()
	r.furnish(c, r.supplies("echo $HOST; exec sleep 60"))
	r.printed(c, func(log string) bool { return log == "127.0.0.1\n" })
	began := time.Now()
	e.preempt("TRUE")
	s := r.await(c, "the warning", func(s State) bool { return len(s.Warnings) > 0 })
	if took := time.Since(began); took > time.Second {
		t.Errorf("it was heard of %v later", took)
	}
	if w := s.Warnings[0]; w.Kind != WarningInterruption || w.Detail != "Compute Engine preempts the machine" {
		t.Errorf("the warning is %+v", w)
	}
	r.noticed(s.Warnings[0])
}
