// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// cloudName is the name of this cloud in locations.
const cloudName = "aws"

// CloudOptions says whose instances a [Cloud] makes, and how.
type CloudOptions struct {
	// Known is where machines are, and how the account is reached: what Note was
	// given last, or what [Brief] gives. Where it is empty the account is reached as
	// by the AWS command line, and machines are wherever they are found.
	Known string
	// Note keeps what is to be known before a machine is made where there was none;
	// nil keeps it nowhere.
	Note func(where string) error
	// Scope tells those who use the same account apart: a service of the same name
	// of somebody else is not this one, and its instances are not orphans of it. It
	// is asked for once, with the first connection. Nil is for a controller that has
	// the account for itself.
	Scope func() (string, error)
	// Secret is what the keys of all machines are made of. Nil is for a Cloud that
	// only lists and ends them.
	Secret func() ([]byte, error)
	// Program gives the program that machines are run by, for an architecture in
	// Go's words. Nil is for a Cloud that launches none.
	Program func(architecture string) (*agent.Program, error)
	// Transport replaces the way to AWS, and Connect that to machines; tests put
	// networks of their own here.
	Transport http.RoundTripper
	Connect   func(agent.ClientOptions) Machine
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Machine is the agent on an instance, as [agent.Client] talks to it.
type Machine interface {
	Furnish(ctx context.Context, s agent.Supplies) error
	Watch(ctx context.Context, tell func(agent.State) bool) error
	Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error)
	Dial(ctx context.Context) (net.Conn, error)
	Close()
}

// Cloud launches replicas as EC2 instances. Several may use one account, in one
// process or in many.
type Cloud struct {
	o        CloudOptions
	log      *slog.Logger
	account  account
	machines turns.Turns[serve.Ref]

	mu sync.Mutex
	// live are the instances that were launched or found here, and not terminated.
	live map[serve.Ref]sighting
	// reached are the machines that were talked to.
	reached map[serve.Ref]reached
	// ending counts who is ending the machine of a replica.
	ending map[serve.Ref]int
	// listeners are told of each instance that is added to live.
	listeners map[*inbox]struct{}
}

// sighting is an instance, and the region it is in.
type sighting struct {
	region string
	serve.Instance
}

var (
	_ serve.Cloud   = (*Cloud)(nil)
	_ serve.Dialer  = (*Cloud)(nil)
	_ serve.Cleaner = (*Cloud)(nil)
)

// NewCloud gives the cloud of an account. It touches nothing, and connects when
// it is first used.
func NewCloud(o CloudOptions) *Cloud {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Connect == nil {
		o.Connect = func(o agent.ClientOptions) Machine { return agent.NewClient(o) }
	}
	return &Cloud{
		o: o, log: o.Log, account: account{o: o, sites: map[string]*site{}},
		live: map[serve.Ref]sighting{}, reached: map[serve.Ref]reached{}, listeners: map[*inbox]struct{}{}, ending: map[serve.Ref]int{},
	}
}

// Name is "aws".
func (c *Cloud) Name() string { return cloudName }

// remember notes that the instance is ours to be told of, and forget that it is
// not any more.
func (c *Cloud) remember(s sighting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(s)
}

// keep is remember with the Cloud locked.
func (c *Cloud) keep(s sighting) {
	c.live[s.Ref] = s
	for in := range c.listeners {
		if in.service == s.Ref.Service {
			in.put(s)
		}
	}
}

func (c *Cloud) forget(ref serve.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, ref)
	for in := range c.listeners {
		if in.ended != nil {
			in.ended[ref] = true
		}
	}
	if r, ok := c.reached[ref]; ok {
		delete(c.reached, ref)
		r.Close()
	}
}

// end notes that a replica's machine is being ended, until the returned function is
// called.
func (c *Cloud) end(ref serve.Ref) (ended func()) {
	count := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ending[ref] += n; c.ending[ref] == 0 {
			delete(c.ending, ref)
		}
	}
	count(1)
	return func() { count(-1) }
}

// known gives what was launched or found here for a reference, and not terminated.
func (c *Cloud) known(ref serve.Ref) (sighting, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.live[ref]
	return s, ok
}

// token is a client token: the same for the same launch, whoever asks for it, and
// no longer than AWS allows, which is 64 characters.
func token(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00") + "\x00"))
	return hex.EncodeToString(sum[:24])
}

// sleep waits, and reports false when the context ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
