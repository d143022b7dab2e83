// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Options says whose machines a cloud makes, and how they are reached.
type Options struct {
	// Known is where machines are, and how the cloud is reached: what Note was given
	// last, or what the cloud's Brief gives. Where it is empty the cloud is reached as
	// by the vendor's own command line, and machines are wherever they are found.
	Known string
	// Note keeps what is to be known before a machine is made where there was none;
	// nil keeps it nowhere.
	Note func(where string) error
	// Scope tells those who use the same account apart: a service of the same name
	// of somebody else is not this one, and its machines are not orphans of it. It
	// is asked for once, with the first connection. Nil is for a controller that has
	// the account for itself.
	Scope func() (string, error)
	// Shown gives what the cloud is shown by a controller that it does not know
	// otherwise, in a form of the cloud's own. Nil, and where it gives nothing, is as
	// the cloud's own programs find credentials.
	Shown serve.CredentialsOf
	// Secret is what the keys of all machines are made of. Nil is for a cloud that
	// only lists and ends them.
	Secret func() ([]byte, error)
	// Program gives the program that machines are run by, for an architecture in
	// Go's words. Nil is for a cloud that launches none.
	Program func(architecture string) (*agent.Program, error)
	// Transport replaces the way to the vendor, and Connect that to machines; tests
	// put networks of their own here.
	Transport http.RoundTripper
	Connect   func(agent.ClientOptions) Machine
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Vendor is what only the cloud itself can tell of its machines.
type Vendor interface {
	// List gives the machines of a service, as the method of [serve.Cloud] does.
	List(ctx context.Context, service string) ([]serve.Instance, error)
	// Gone tells whether a machine that was there is gone, and why. One that is being
	// ended is gone.
	Gone(ctx context.Context, i serve.Instance) (gone bool, why string, err error)
}

// Fleet is the machines of a cloud, as their controller knows them. It is safe for
// concurrent use.
type Fleet struct {
	o      Options
	log    *slog.Logger
	vendor Vendor
	// working has one caller at a time work on the machine of a replica.
	working turns.Turns[serve.Ref]

	mu sync.Mutex
	// live are the machines that were launched or found here, and not ended.
	live map[serve.Ref]serve.Instance
	// reached are the machines that were talked to.
	reached map[serve.Ref]reached
	// ending counts who is ending the machine of a replica.
	ending map[serve.Ref]int
	// listeners are told of each machine that is added to live.
	listeners map[*inbox]struct{}
}

// New gives the fleet of a cloud. It touches nothing.
func New(o Options, vendor Vendor) *Fleet {
	if o.Connect == nil {
		o.Connect = func(o agent.ClientOptions) Machine { return agent.NewClient(o) }
	}
	return &Fleet{
		o: o, log: o.Logger(), vendor: vendor,
		live: map[serve.Ref]serve.Instance{}, reached: map[serve.Ref]reached{}, ending: map[serve.Ref]int{}, listeners: map[*inbox]struct{}{},
	}
}

// Logger gives Log, or one that discards.
func (o Options) Logger() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// remember notes that a machine is ours to be told of, and forget that it is not any
// more.
func (f *Fleet) remember(i serve.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(i)
}

// keep is remember with the Fleet locked.
func (f *Fleet) keep(i serve.Instance) {
	f.live[i.Ref] = i
	for in := range f.listeners {
		if in.service == i.Ref.Service {
			in.put(i)
		}
	}
}

// renew has a machine be known as it is now. Who listens to it goes on.
func (f *Fleet) renew(i serve.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live[i.Ref].ID == i.ID {
		f.live[i.Ref] = i
		return
	}
	f.keep(i)
}

func (f *Fleet) forget(ref serve.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, ref)
	for in := range f.listeners {
		if in.ended != nil {
			in.ended[ref] = true
		}
	}
	if r, ok := f.reached[ref]; ok {
		delete(f.reached, ref)
		r.Close()
	}
}

// end notes that a replica's machine is being ended, until the returned function is
// called.
func (f *Fleet) end(ref serve.Ref) (ended func()) {
	count := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.ending[ref] += n; f.ending[ref] == 0 {
			delete(f.ending, ref)
		}
	}
	count(1)
	return func() { count(-1) }
}

// known gives what was launched or found here for a reference, and not ended.
func (f *Fleet) known(ref serve.Ref) (serve.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := f.live[ref]
	return i, ok
}

// Token is a name for a request: the same for the same parts, whoever asks, and of
// 48 characters.
func Token(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00") + "\x00"))
	return hex.EncodeToString(sum[:24])
}
