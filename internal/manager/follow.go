// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// follow follows whoever leads, unless that is this copy.
func (m *Manager) follow(ctx context.Context) error {
	transport := &http.Transport{
		TLSClientConfig:   m.o.Client,
		ForceAttemptHTTP2: true,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: lifesign},
	}
	defer transport.CloseIdleConnections()
	var following sync.WaitGroup
	stop := func() {}
	defer func() {
		stop()
		following.Wait()
	}()
	for {
		err := m.o.Elector.Leader(ctx, func(address string) {
			stop()
			following.Wait()
			var led context.Context
			led, stop = context.WithCancel(ctx)
			if address != "" {
				following.Go(func() { m.followLeader(led, transport, address) })
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		m.o.Log.Warn("watching who leads was interrupted", "error", err)
		if !sleep(ctx, watchPause) {
			return nil
		}
	}
}

// followLeader keeps a connection to the leader at an address.
func (m *Manager) followLeader(ctx context.Context, transport *http.Transport, address string) {
	for ctx.Err() == nil {
		if m.reign() == nil {
			err := m.followOnce(ctx, transport, address)
			if ctx.Err() == nil && err != nil {
				m.o.Log.Info("following the leader was interrupted", "leader", address, "error", err)
			}
		}
		sleep(ctx, followPause)
	}
}

// followOnce follows until the connection breaks, or ctx ends.
func (m *Manager) followOnce(ctx context.Context, transport *http.Transport, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	body, out := io.Pipe()
	// What is written and not read ends with ctx, too.
	defer context.AfterFunc(ctx, func() { out.CloseWithError(io.EOF) })()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+followPath, body)
	if err != nil {
		cancel()
		return err
	}
	req.Header.Set("Authorization", "Bearer "+m.o.Token)
	req.Header.Set(copyHeader, m.id)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		cancel()
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		cancel()
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("it answers %s: %s", resp.Status, why)
	}
	l := newLine(m)
	defer l.hangUp()
	// Cancelled before it is waited for, which a deferred call below this would not be.
	defer cancel()
	orders := make(chan order)
	var broken error
	l.workers.Go(func() {
		defer close(orders)
		for in := json.NewDecoder(resp.Body); ; {
			var o order
			if err := in.Decode(&o); err != nil {
				if !errors.Is(err, io.EOF) {
					broken = err
				}
				return
			}
			select {
			case orders <- o:
			case <-ctx.Done():
				return
			}
		}
	})
	l.workers.Go(func() {
		defer cancel() // who cannot tell anything must not be told anything either
		l.tell(ctx, json.NewEncoder(out))
	})
	for {
		_, _, opened := m.list.get()
		l.retry(ctx)
		select {
		case o, more := <-orders:
			if !more {
				return broken
			}
			l.obey(ctx, o)
		case <-opened:
		case <-ctx.Done():
			return nil
		}
	}
}
