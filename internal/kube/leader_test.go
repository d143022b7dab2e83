// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// leader works off a directory as the leading controller does, but has no
// machines: a service has as many ready replicas as it asks for at least.
type leader struct {
	ground
	directory *Directory
	// refuse says why a spec is not taken, nil when it is.
	refuse func(serve.Spec) serve.Report

	mu       sync.Mutex
	declared []serve.Declaration
	changed  chan struct{} // closed and replaced with every change of declared
	taken    map[string]serve.Service
	ended    []int64
}

// lead runs a leader until the test ends.
func (p ground) lead() *leader {
	p.Helper()
	d, err := NewDirectory(p.config)
	if err != nil {
		p.Fatal(err)
	}
	l := &leader{ground: p, directory: d, changed: make(chan struct{}), taken: map[string]serve.Service{}}
	ctx, cancel := context.WithCancel(p.Context())
	var working sync.WaitGroup
	working.Go(func() {
		err := d.Watch(ctx, func(all []serve.Declaration) {
			l.mu.Lock()
			l.declared = all
			close(l.changed)
			l.changed = make(chan struct{})
			l.mu.Unlock()
			for _, one := range all {
				if err := l.work(ctx, one); err != nil && ctx.Err() == nil {
					p.Errorf("working on %q: %v", one.Name, err)
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			p.Errorf("Watch: %v", err)
		}
	})
	p.Cleanup(func() {
		cancel()
		working.Wait()
	})
	return l
}

// work does what a declaration asks for.
func (l *leader) work(ctx context.Context, d serve.Declaration) error {
	had := l.taken[d.UID]
	if d.Deleting {
		if _, ok := l.taken[d.UID]; ok {
			had.Status = serve.ShuttingDown
			delete(l.taken, d.UID)
			if err := l.directory.Report(ctx, d.Name, d.UID, serve.Report{Generation: d.Generation, Service: &had}); err != nil {
				return err
			}
		}
		return l.directory.Release(ctx, d.Name, d.UID)
	}
	for id := range d.End {
		l.mu.Lock()
		l.ended = append(l.ended, id)
		l.mu.Unlock()
		if err := l.directory.Done(ctx, d.Name, d.UID, id); err != nil {
			return err
		}
	}
	if d.Port == 0 {
		if err := l.directory.Publish(ctx, d.Name, d.UID, 30001); err != nil {
			return err
		}
	}
	r := serve.Report{Generation: d.Generation, Refused: d.Invalid}
	if d.Spec != nil {
		r = l.take(d, had)
	}
	return l.directory.Report(ctx, d.Name, d.UID, r)
}

// take makes a service of a declaration.
func (l *leader) take(d serve.Declaration, had serve.Service) serve.Report {
	r := serve.Report{Generation: d.Generation}
	if es := d.Spec.Validate(); es != nil {
		r.Refused, r.Errors = es.Error(), es
	} else if l.refuse != nil {
		refused := l.refuse(*d.Spec)
		r.Refused, r.Errors = refused.Refused, refused.Errors
	}
	if r.Refused == "" && (had.UID == "" || !same(had.Spec, d.Spec.Redacted())) {
		n := d.Spec.ReplicaPolicy.MinReplicas
		had.Name, had.UID, had.Revision, had.Status, had.Spec = d.Name, "uid-"+d.UID[:8], had.Revision+1, serve.Ready, d.Spec.Redacted()
		had.CreatedAt = time.Now().UTC().Truncate(time.Second)
		had.Counts = serve.Counts{Ready: n, Total: n, Spot: 0, OnDemand: n}
		had.Replicas = nil
		for id := range n {
			had.Replicas = append(had.Replicas, serve.Replica{ID: int64(id) + 1, Launch: serve.LaunchSucceeded, Ready: true})
		}
		had.Replicas = append(had.Replicas,
			serve.Replica{ID: 100, Launch: serve.LaunchFailed, Teardown: serve.TeardownSucceeded, Cause: serve.CauseAppFailed},
			serve.Replica{ID: 101, Launch: serve.LaunchSucceeded, Teardown: serve.TeardownRunning, Cause: serve.CauseScaleDown})
		l.taken[d.UID] = had
	}
	if had.UID != "" {
		shown := had
		shown.Endpoint = d.Endpoint
		r.Service = &shown
	}
	return r
}

// until waits for declarations of a kind.
func (l *leader) until(what string, is func([]serve.Declaration) bool) []serve.Declaration {
	l.Helper()
	ctx := l.waiting()
	for {
		l.mu.Lock()
		all, changed := l.declared, l.changed
		l.mu.Unlock()
		if all != nil && is(all) {
			return all
		}
		select {
		case <-changed:
		case <-ctx.Done():
			l.Fatalf("there is never %s; the declarations are %+v", what, all)
		}
	}
}

// client gives a client to which a controller is there.
func (p ground) client(name string) *Client {
	p.Helper()
	c, err := NewClient(ClientOptions{
		Config: p.config, Service: name, Bundles: noBundles{}, Logs: echo{},
		Alive: func(context.Context) error { return nil },
	})
	if err != nil {
		p.Fatal(err)
	}
	return c
}

// noBundles holds no bundle and takes none.
type noBundles struct{}

func (noBundles) Has(string) (bool, error)    { return false, nil }
func (noBundles) Put(string, io.Reader) error { return serve.ErrInvalid }

// echo says whose log was asked for.
type echo struct{}

func (echo) Logs(_ context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(fmt.Sprint(ref, opt))), nil
}
