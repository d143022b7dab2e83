// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Times of the election. A leader that is killed is replaced when its lease has
// run out and the next try of another copy has come; until then the endpoints go
// on, and nothing is decided. An API server that does not answer for longer than
// the renewal may take costs the lead, so that it is not to be too short.
const (
	leaseDuration = 8 * time.Second
	leaseRenewal  = 5 * time.Second
	leaseRetry    = time.Second
)

// ElectorOptions say who takes part in an election.
type ElectorOptions struct {
	Config Config
	// Pod is the name of the pod that this copy is.
	Pod string
	// Log receives what goes wrong on the way; nil discards it.
	Log *slog.Logger
}

// Elector lets one of the copies in a namespace lead, by a Lease that names its
// pod.
type Elector struct {
	o ElectorOptions
	c *clients
}

// NewElector gives the elector of a copy. Nothing is asked of the API server yet.
func NewElector(o ElectorOptions) (*Elector, error) {
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Elector{o: o, c: c}, nil
}

// Run takes part in the election until ctx ends. While this copy leads, lead runs.
// The lease is given back only when lead has returned, so that the next one finds
// nothing under way; it then need not wait for the lease to run out.
func (e *Elector) Run(ctx context.Context, lead func(ctx context.Context)) error {
	log := logr.FromSlogHandler(e.o.Log.Handler())
	electing, resign := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), log))
	defer resign()
	term := newTerm(ctx)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.c.namespace, Name: leaseName},
			Client:     e.c.typed.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.o.Pod},
			Labels:     map[string]string{labelManager: manager, labelComponent: componentController},
		},
		LeaseDuration: leaseDuration, RenewDeadline: leaseRenewal, RetryPeriod: leaseRetry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(holding context.Context) { term.serve(holding, lead) },
			OnStoppedLeading: func() {},
		},
		Name: leaseName,
	})
	if err != nil {
		return fmt.Errorf("taking part in the election of a leader: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		term.wait()
		resign()
	})
	defer stop()
	elector.Run(electing)
	resign()
	term.wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the lease %q could not be renewed for %v", leaseName, leaseRenewal)
}

// term is the time for which a copy leads, of which there is one at most.
type term struct {
	ctx  context.Context
	mu   sync.Mutex
	over bool // nobody begins any more
	work sync.WaitGroup
}

func newTerm(ctx context.Context) *term { return &term{ctx: ctx} }

// serve leads while both the lease is held and the copy is to go on.
func (t *term) serve(holding context.Context, lead func(context.Context)) {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.work.Add(1)
	t.mu.Unlock()
	defer t.work.Done()
	ctx, cancel := context.WithCancel(holding)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	lead(ctx)
}

// wait keeps the term from beginning, or waits for its end.
func (t *term) wait() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.work.Wait()
}

// Leader calls tell with where the leading copy is reached by the others, at first
// and after every change until ctx ends; empty while nobody leads.
func (e *Elector) Leader(ctx context.Context, tell func(address string)) error {
	leases := e.c.typed.CoordinationV1().Leases(e.c.namespace)
	items := func(l *coordinationv1.LeaseList) []*coordinationv1.Lease { return pointers(l.Items) }
	told, first := "", true
	var problem error
	err := followAll(ctx, leases, nameIs(leaseName), items, func(all map[string]*coordinationv1.Lease) bool {
		holder := ""
		if lease := all[leaseName]; lease != nil && lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		if !first && holder == told {
			return true
		}
		var address string
		if address, problem = e.addressOf(ctx, holder); problem != nil {
			return false
		}
		told, first = holder, false
		tell(address)
		return true
	})
	if err == nil {
		err = problem
	}
	if err != nil {
		return fmt.Errorf("watching who leads: %w", err)
	}
	return nil
}

// addressOf gives the address of a copy, empty for none and for one that is gone.
func (e *Elector) addressOf(ctx context.Context, pod string) (string, error) {
	if pod == "" {
		return "", nil
	}
	p, err := e.c.typed.CoreV1().Pods(e.c.namespace).Get(ctx, pod, metav1.GetOptions{})
	switch err = meaning(err); {
	case errors.Is(err, serve.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	case p.Status.PodIP == "":
		return "", nil
	}
	return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(CopiesPort)), nil
}
