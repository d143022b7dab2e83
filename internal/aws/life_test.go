// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// life is one controller, until it is killed.
type life struct {
	*controller.Controller
	cloud *aws.Cloud
	dead  atomic.Bool
	stop  context.CancelFunc
	over  chan struct{}
}

// home is what a controller has, and leaves to the next.
type home struct {
	aws     *awstest.AWS
	fleet   *stations
	service string
	store   func(way http.RoundTripper) serve.Store
	known   *string // what the cloud has noted
	log     io.Writer
}

// inMemory gives a store that any number of controllers have one after the other.
func inMemory() func(http.RoundTripper) serve.Store {
	s := servetest.NewStore()
	return func(http.RoundTripper) serve.Store { return s }
}

// begin starts a controller.
func begin(t *testing.T, h home) *life {
	l := &life{over: make(chan struct{})}
	way := severed{h.aws.Client().Transport, l}
	l.cloud = aws.NewCloud(aws.CloudOptions{
		Known: *h.known, Note: func(where string) error {
			if l.dead.Load() {
				return errDead
			}
			*h.known = where
			return nil
		},
		Scope:   func() (string, error) { return "chaos", nil },
		Secret:  func() ([]byte, error) { return []byte(secret), nil },
		Program: program(t), Transport: way, Connect: h.fleet.connect,
	})
	l.Controller = controller.New(controller.Options{
		Service: h.service, Store: mortal{h.store(way), l}, Clouds: []serve.Cloud{l.cloud}, Bundles: noBundles{}, Traffic: &noTraffic{},
		Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	go func() {
		defer close(l.over)
		_ = l.Run(ctx) // a dead one cannot save, and says so
	}()
	return l
}

// severed is the way to AWS of a controller, which ends when that is killed: what
// was under way is never answered.
type severed struct {
	http.RoundTripper
	life *life
}

var errDead = errors.New("the process is dead")

func (s severed) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.life.dead.Load() {
		return nil, errDead
	}
	resp, err := s.RoundTripper.RoundTrip(r)
	if s.life.dead.Load() {
		return nil, errDead
	}
	return resp, err
}

// mortal is a store that a dead controller cannot write to any more.
type mortal struct {
	serve.Store
	life *life
}

func (m mortal) Save(ctx context.Context, s serve.State, events []serve.Event) (uint64, int64, error) {
	if m.life.dead.Load() {
		return 0, 0, errDead
	}
	return m.Store.Save(ctx, s, events)
}

// noBundles is for services without files.
type noBundles struct{}

func (noBundles) Has(string) (bool, error)           { return true, nil }
func (noBundles) Put(string, io.Reader) error        { return nil }
func (noBundles) Open(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
func (noBundles) Keep(...string) error               { return nil }

// noTraffic is the way from clients that never come.
type noTraffic struct {
	mu       sync.Mutex
	backends []balancer.Backend
}

func (*noTraffic) Attach(func(), func(int64))    {}
func (*noTraffic) SetDial(balancer.Dial)         {}
func (*noTraffic) URL() string                   { return "http://nowhere" }
func (*noTraffic) SetTLS(*serve.TLS) error       { return nil }
func (*noTraffic) Configure(balancer.Settings)   {}
func (*noTraffic) SetHold(time.Duration)         {}
func (*noTraffic) Requests(time.Time) int        { return 0 }
func (*noTraffic) Busy() time.Duration           { return 0 }
func (*noTraffic) Drain(context.Context, int64)  {}
func (*noTraffic) Abort(int64)                   {}
func (*noTraffic) Toll() map[int64]balancer.Toll { return nil }
func (n *noTraffic) SetBackends(all []balancer.Backend) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.backends = all
}

func (*noTraffic) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
