// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// prober asks one replica again and again whether it is ready.
type prober struct {
	stop context.CancelFunc
	// poke asks for a probe at once: there is reason to doubt the last answer.
	poke chan struct{}
	// interval is the pause between two probes.
	interval time.Duration
	revision int64
}

// firstProbe is the pause before the second probe of a replica that is not
// ready yet. It grows to the configured interval: a server that starts in a
// second is found in a second, one that takes minutes is not pestered.
const firstProbe = 50 * time.Millisecond

// probe makes sure that a running replica is being probed, by the path, headers
// and timeout of its own revision, as often as the newest revision asks.
func (l *loop) probe(r *serve.Replica, run *running) {
	if r.Launch != serve.LaunchSucceeded || r.Teardown != "" || l.ctx.Err() != nil {
		return
	}
	interval := serve.Seconds(l.state.Spec.ReadinessProbe.EndpointProbeIntervalSeconds)
	if run.prober != nil && run.prober.interval == interval && run.prober.revision == r.Revision {
		return
	}
	run.stopProbing()
	ctx, cancel := context.WithCancel(l.ctx)
	p := &prober{stop: cancel, poke: make(chan struct{}, 1), interval: interval, revision: r.Revision}
	run.prober = p
	id, url, how := r.ID, "http://"+r.Address, l.state.SpecOf(r.Revision).ReadinessProbe
	pause := firstProbe
	if r.Ready {
		pause = interval
	}
	way, dial := l.way(r), Dial(l.c.o.Clouds)
	l.workers.Go(func() {
		defer cancel()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dial(ctx, way, address)
		}}}
		for {
			err := ask(ctx, client, url, how)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				pause = interval
			} else {
				pause = min(pause*3/2, interval)
			}
			if !l.c.post(ctx, func() { l.answered(id, p, err) }) {
				return
			}
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-p.poke:
				timer.Stop()
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	})
}

func (run *running) stopProbing() {
	if run.prober != nil {
		run.prober.stop()
		run.prober = nil
	}
}

// ask sends one probe. Ready means the answer 200, exactly, redirects followed
// (reference section 3.2).
func ask(ctx context.Context, client *http.Client, url string, how serve.ReadinessProbe) error {
	ctx, cancel := context.WithTimeout(ctx, serve.Seconds(how.TimeoutSeconds))
	defer cancel()
	method, body := http.MethodGet, []byte(nil)
	if how.PostData != "" {
		method, body = http.MethodPost, []byte(how.PostData)
	}
	req, err := http.NewRequestWithContext(ctx, method, url+how.Path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making the probe: %w", err)
	}
	if how.PostData != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range how.Headers {
		req.Header.Set(name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s %s answered %s: %s", method, how.Path, resp.Status, bytes.TrimSpace(excerpt))
	}
	return nil
}

// answered takes in the result of a probe.
func (l *loop) answered(id int64, p *prober, err error) {
	r := l.find(id)
	if r == nil || r.Teardown != "" || l.of(id).prober != p {
		return // an answer from before the replica's fate was decided
	}
	if l.settling[id] {
		delete(l.settling, id)
		l.dirty = true
	}
	if err == nil {
		l.forgive(id)
		l.succeeded(r)
		return
	}
	l.failed(r, err)
}

func (l *loop) succeeded(r *serve.Replica) {
	if r.Ready {
		return
	}
	at := now()
	r.Ready, r.FailingSince, r.Message = true, time.Time{}, ""
	if r.FirstReadyAt.IsZero() {
		r.FirstReadyAt = at
	}
	if l.state.FirstReadyAt.IsZero() {
		l.state.FirstReadyAt = at
	}
	l.dirty, l.touched = true, true
}

func (l *loop) failed(r *serve.Replica, err error) {
	at := now()
	if r.FailingSince.IsZero() || r.Ready {
		r.FailingSince, r.Ready = at, false
		l.dirty, l.touched = true, true
	}
	if r.Exited != "" {
		err = fmt.Errorf("%s, and then: %w", r.Exited, err)
	}
	r.Message = "The readiness probe fails: " + err.Error()
	failing := at.Sub(r.FailingSince)
	grace := serve.Seconds(l.state.SpecOf(r.Revision).ReadinessProbe.InitialDelaySeconds)
	window := serve.Seconds(l.state.Spec.ReadinessProbe.ConsecutiveFailureThresholdTimeout)
	switch {
	case r.FirstReadyAt.IsZero() && failing > grace:
		l.end(r, serve.CauseInitialDelay, fmt.Sprintf("Not ready within %v: %v", grace, err))
	case !r.FirstReadyAt.IsZero() && failing >= window:
		l.end(r, serve.CauseProbing, fmt.Sprintf("Not ready for %v: %v", window, err))
	default:
		l.verify()
	}
}

// suspect asks a replica at once whether it is ready: a request has failed on it.
func (l *loop) suspect(id int64) {
	if run := l.replicas[id]; run != nil && run.prober != nil {
		select {
		case run.prober.poke <- struct{}{}:
		default:
		}
	}
}
