// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// directory is a serve.Directory in memory.
type directory struct {
	mu      sync.Mutex
	all     map[string]serve.Declaration // by name
	reports map[string]serve.Report
	changed chan struct{}
	n       int
}

func newDirectory() *directory {
	return &directory{all: map[string]serve.Declaration{}, reports: map[string]serve.Report{}, changed: make(chan struct{})}
}

// change changes a declaration; without a name it is gone.
func (d *directory) change(name string, f func(*serve.Declaration)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, ok := d.all[name]
	if !ok {
		return serve.ErrNotFound
	}
	if f(&one); one.Name == "" {
		delete(d.all, name)
	} else {
		d.all[name] = one
	}
	d.tell()
	return nil
}

func (d *directory) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// asked tells one spec from another.
func asked(spec serve.Spec) string { return fmt.Sprintf("%+v", spec) }

// touch is a change of a declaration that asks for nothing else.
func (d *directory) touch(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.all[name]
	one.Generation++
	d.all[name] = one
	d.tell()
}

// declare makes a declaration, or gives it another spec.
func (d *directory) declare(spec serve.Spec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one, ok := d.all[spec.Name]
	if !ok {
		d.n++
		one = serve.Declaration{Name: spec.Name, UID: fmt.Sprint("uid-", d.n)}
	}
	one.Generation++
	one.Spec, one.Asked = &spec, asked(spec)
	d.all[spec.Name] = one
	d.tell()
}

func (d *directory) Watch(ctx context.Context, tell func([]serve.Declaration)) error {
	for {
		d.mu.Lock()
		all, changed := slices.Collect(maps.Values(d.all)), d.changed
		d.mu.Unlock()
		tell(all)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *directory) Publish(_ context.Context, name, _ string, port int) error {
	return d.change(name, func(one *serve.Declaration) {
		one.Port, one.Endpoint = port, fmt.Sprint("http://", name, ".example:", port)
	})
}

func (d *directory) Report(_ context.Context, name, _ string, r serve.Report) error {
	d.mu.Lock()
	d.reports[name] = r
	d.mu.Unlock()
	return d.change(name, func(one *serve.Declaration) {
		if one.Taken = r.Generation; r.Refused != "" {
			one.Taken = 0
		}
	})
}

func (d *directory) Done(_ context.Context, name, _ string, id int64) error {
	return d.change(name, func(one *serve.Declaration) {
		one.End = maps.Clone(one.End)
		delete(one.End, id)
	})
}

func (d *directory) Release(_ context.Context, name, _ string) error {
	return d.change(name, func(one *serve.Declaration) { one.Name = "" })
}

// await waits until what is reported of a service is as wanted.
func (d *directory) await(t *testing.T, name, what string, wanted func(serve.Report) bool) serve.Report {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		d.mu.Lock()
		r, changed := d.reports[name], d.changed
		d.mu.Unlock()
		if wanted(r) {
			return r
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waiting for %s: it is %+v", what, r)
		}
	}
}

// ready wants n replicas, all of them ready.
func ready(n int) func(serve.Report) bool {
	return func(r serve.Report) bool {
		return r.Service != nil && r.Service.Counts.Ready == n && r.Service.Counts.Total == n
	}
}

// election is an Elector for all copies of a test: the first of those who run leads.
type election struct {
	mu      sync.Mutex
	runs    []*candidate
	changed chan struct{}
}

type candidate struct{ address string }

func newElection() *election { return &election{changed: make(chan struct{})} }

func (e *election) alter(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *election) leader() (*candidate, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.runs) == 0 {
		return nil, e.changed
	}
	return e.runs[0], e.changed
}

// vote is a copy's part in the election.
type vote struct {
	*election
	own candidate
}

func (v *vote) Run(ctx context.Context, lead func(context.Context)) error {
	v.alter(func() { v.runs = append(v.runs, &v.own) })
	defer v.alter(func() { v.runs = slices.DeleteFunc(v.runs, func(c *candidate) bool { return c == &v.own }) })
	for {
		leader, changed := v.leader()
		if leader == &v.own {
			lead(ctx)
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (v *vote) Leader(ctx context.Context, tell func(string)) error {
	for told := "?"; ; {
		leader, changed := v.leader()
		address := ""
		if leader != nil {
			address = leader.address
		}
		if address != told {
			tell(address)
			told = address
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bundles is a controller.Bundles that holds every bundle.
type bundles struct{}

func (bundles) Has(string) (bool, error)           { return true, nil }
func (bundles) Put(string, io.Reader) error        { return nil }
func (bundles) Open(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
func (bundles) Keep(...string) error               { return nil }

// rig is what the copies of a test share.
type rig struct {
	t           *testing.T
	directory   *directory
	election    *election
	cloud       *servetest.Apart
	others      []serve.Cloud
	opened      atomic.Int64 // how often a controller has begun
	credentials serve.Credentials
	first       int
	archive     string // made before the copies, and so removed after their end
	certify     func(ctx context.Context, name, uid string, how serve.ACME) (*tls.Config, error)

	mu     sync.Mutex
	stores map[string]serve.Store
	copies int
}

func newRig(t *testing.T) *rig {
	credentials, err := api.NewCredentials("copies")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	offer := serve.Offer{Location: serve.Location{Cloud: "cloud", Region: "east"}, Market: serve.OnDemand, InstanceType: "m2", CPUs: 2}
	return &rig{
		t: t, directory: newDirectory(), election: newElection(), cloud: &servetest.Apart{Scripted: servetest.NewScripted(t, "cloud", offer)},
		credentials: credentials, archive: t.TempDir(), first: free.Addr().(*net.TCPAddr).Port, stores: map[string]serve.Store{},
	}
}

// lasting is a store that outlives who has opened it.
type lasting struct{ serve.Store }

func (lasting) Close() error { return nil }

func (r *rig) parts(_ context.Context, name, _ string) (Parts, error) {
	r.opened.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stores[name] == nil {
		r.stores[name] = lasting{servetest.NewStore()}
	}
	return Parts{Store: r.stores[name], Clouds: append([]serve.Cloud{r.cloud}, r.others...), Bundles: bundles{},
		Archive: controller.ArchiveDir(filepath.Join(r.archive, name))}, nil
}

// replica is one copy under test, on a loopback address of its own.
type replica struct {
	*Manager
	host string
	stop func()
}

// start starts a copy; grace is for how long it goes on when it is stopped.
func (r *rig) start(grace time.Duration) *replica {
	r.t.Helper()
	r.copies++
	host := fmt.Sprintf("127.0.0.%d", 10+r.copies)
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		r.t.Fatal(err)
	}
	server, err := api.ServerTLS(r.credentials)
	if err != nil {
		r.t.Fatal(err)
	}
	client, err := api.ClientTLS(r.credentials.Certificate)
	if err != nil {
		r.t.Fatal(err)
	}
	m := New(Options{
		Directory: r.directory, Elector: &vote{r.election, candidate{listener.Addr().String()}}, Open: r.parts,
		Listener: listener, Server: server, Client: client, Token: r.credentials.Token,
		Dial: controller.Dial([]serve.Cloud{r.cloud}),
		Host: host, FirstPort: r.first, Grace: grace, Certify: r.certify,
	})
	m.hub.acquaintance = 0 // followers are there when a test says so
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("the copy at %s ended with %v", host, err)
		}
	})
	r.t.Cleanup(stop)
	return &replica{m, host, stop}
}

// spec is a service of n replicas.
func spec(name string, n int) serve.Spec {
	s := serve.NewSpec(name)
	s.ReplicaPolicy = serve.FixedReplicas(n)
	s.ReadinessProbe.Path, s.ReadinessProbe.EndpointProbeIntervalSeconds = "/health", 0.05
	s.Resources.Ports, s.Run = "8080", "serve"
	return s
}

// get asks a copy for a service, and gives the status and the body.
func (c *replica) get(port int) (int, string) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://%s:%d/", c.host, port))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
