// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// script is what a fake controller makes of a newly accepted spec.
type script func(*serve.Service)

// infra is a fake place for controllers: a serve.Deployer whose controllers are
// values in memory. A fake and not the local infra, because the tests need
// controllers that fail on request, at a moment of their choosing.
type infra struct {
	mu          sync.Mutex
	controllers map[string]*controller
	calls       []string
	deployed    []serve.DeployOptions
	// script plays after every Apply that changes something.
	script script
	// look plays before every answer of Service.
	look script
	// fail gives an error in place of a call, named as in calls.
	fail map[string]error
	// namespace is where they are.
	namespace string
	// stray are machines that Destroy finds.
	stray []serve.Instance
	// endless services never finish a Delete.
	endless bool
	// watching is told whenever somebody begins to watch.
	watching chan struct{}
}

func newInfra(s script) *infra {
	return &infra{controllers: make(map[string]*controller), script: s, fail: make(map[string]error), watching: make(chan struct{}, 100)}
}

// controller is a serve.Client and what it talks to.
type controller struct {
	infra   *infra
	name    string
	dead    bool
	svc     *serve.Service
	secrets map[string]string
	bundles map[string]bool
	events  []serve.Event
	// changed is closed and replaced whenever svc changes.
	changed chan struct{}
}

// Name gives the only infra of these tests.
func (f *infra) Name() string { return "local" }

// Namespace gives where they are.
func (f *infra) Namespace() (string, error) { return f.namespace, nil }

// Clouds gives two of the clouds there are.
func (f *infra) Clouds() []string { return []string{"local", "kubernetes"} }

// call records a call and gives the error it is to fail with.
func (f *infra) call(name string) error {
	f.calls = append(f.calls, name)
	return f.fail[name]
}

// Deploy starts a controller, unless it is to fail.
func (f *infra) Deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deployed = append(f.deployed, opt)
	if err := cmpErr(f.call("deploy"), ctx.Err()); err != nil {
		// A controller that did not come up leaves something to remove.
		f.controllers[service] = &controller{infra: f, name: service, dead: true}
		return nil, err
	}
	c := f.controllers[service]
	if c == nil {
		c = &controller{infra: f, name: service, bundles: make(map[string]bool), changed: make(chan struct{})}
		f.controllers[service] = c
	}
	c.dead = false
	return c, nil
}

// Find tells apart controllers that are there, dead, or not there.
func (f *infra) Find(_ context.Context, service string) (serve.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("find"); err != nil {
		return nil, err
	}
	c := f.controllers[service]
	switch {
	case c == nil:
		return nil, fmt.Errorf("finding the controller of %q: %w", service, serve.ErrNotFound)
	case c.dead:
		return nil, fmt.Errorf("finding the controller of %q: %w: connection refused", service, serve.ErrUnreachable)
	}
	return c, nil
}

// Destroy forgets the controller.
func (f *infra) Destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmpErr(f.call("destroy"), ctx.Err()); err != nil {
		return nil, err
	}
	delete(f.controllers, service)
	return f.stray, nil
}

// List names the controllers.
func (f *infra) List(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.controllers)), nil
}

// count gives how often a call was made.
func (f *infra) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

// alter changes a service behind Terraform's back.
func (f *infra) alter(name string, change func(*controller)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.controllers[name]
	change(c)
	c.touch()
}

func (c *controller) touch() {
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *controller) answer(call string) error {
	err := c.infra.call(call)
	if c.dead {
		err = serve.ErrUnreachable
	}
	return err
}

// Apply plays the script when the spec is new.
func (c *controller) Apply(_ context.Context, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, error) {
	c.infra.mu.Lock()
	defer c.infra.mu.Unlock()
	if err := c.answer("apply"); err != nil {
		return serve.Service{}, err
	}
	if err := spec.Validate().Err(); err != nil {
		return serve.Service{}, err
	}
	for _, digest := range append(slices.Collect(maps.Values(spec.FileMounts)), spec.Workdir) {
		if digest != "" && !c.bundles[digest] {
			return serve.Service{}, fmt.Errorf("bundle %s: %w", digest, serve.ErrNotFound)
		}
	}
	if opt.MustBeNew && c.svc != nil {
		return serve.Service{}, fmt.Errorf("service %q exists already: %w", c.name, serve.ErrConflict)
	}
	if opt.KeepSecrets {
		spec.Secrets = c.secrets
	}
	if c.svc == nil {
		c.svc = &serve.Service{Name: c.name, UID: "uid", CreatedAt: time.Unix(1700000000, 0)}
	} else if same(c.svc.Spec, spec.Redacted()) && maps.Equal(c.secrets, spec.Secrets) {
		return *c.svc, nil
	}
	c.svc.Endpoint = "http://127.0.0.1:30001"
	if spec.TLS != nil {
		c.svc.Endpoint = "https://127.0.0.1:30001"
	}
	c.secrets = spec.Secrets
	c.svc.Spec = spec.Redacted()
	c.svc.Revision++
	c.svc.Target = spec.ReplicaPolicy.MinReplicas
	c.play(c.infra.script)
	return *c.svc, nil
}

// play runs a script and does the sums.
func (c *controller) play(s script) {
	s(c.svc)
	c.svc.Counts = serve.Count(c.svc.Replicas)
	c.touch()
}

// Service shows the service.
func (c *controller) Service(context.Context) (serve.Service, error) {
	c.infra.mu.Lock()
	defer c.infra.mu.Unlock()
	if err := c.answer("service"); err != nil {
		return serve.Service{}, err
	}
	if c.svc == nil {
		return serve.Service{}, serve.ErrNotFound
	}
	if c.infra.look != nil {
		c.play(c.infra.look)
	}
	return *c.svc, nil
}

// Watch tells of every change.
func (c *controller) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	for {
		c.infra.mu.Lock()
		if err := c.answer("watch"); err != nil {
			delete(c.infra.fail, "watch") // a connection breaks once
			c.infra.mu.Unlock()
			return err
		}
		if c.svc == nil {
			c.infra.mu.Unlock()
			return serve.ErrNotFound
		}
		svc, changed := *c.svc, c.changed
		c.infra.mu.Unlock()
		if !tell(svc) {
			return nil
		}
		select {
		case c.infra.watching <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Delete ends the service, unless it is endless.
func (c *controller) Delete(context.Context) error {
	c.infra.mu.Lock()
	defer c.infra.mu.Unlock()
	if err := c.answer("delete"); err != nil {
		return err
	}
	if c.infra.endless {
		c.svc.Status = serve.ShuttingDown
	} else {
		c.svc = nil
	}
	c.touch()
	return nil
}

// TerminateReplica is never called.
func (c *controller) TerminateReplica(context.Context, int64, bool) error {
	return errors.New("terminating a replica is not what Terraform does")
}

// HasBundle knows what was put.
func (c *controller) HasBundle(_ context.Context, digest string) (bool, error) {
	c.infra.mu.Lock()
	defer c.infra.mu.Unlock()
	return c.bundles[digest], c.answer("has bundle")
}

// PutBundle keeps nothing of a bundle but its digest.
func (c *controller) PutBundle(_ context.Context, digest string, content io.Reader) error {
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("%w: the content has the digest %s", serve.ErrInvalid, got)
	}
	c.infra.mu.Lock()
	defer c.infra.mu.Unlock()
	c.bundles[digest] = true
	return c.answer("put bundle")
}

// Events gives the events that a test has set.
func (c *controller) Events(_ context.Context, after int64, _ bool, tell func(serve.Event) bool) error {
	c.infra.mu.Lock()
	events := slices.Clone(c.events)
	c.infra.mu.Unlock()
	for _, e := range events {
		if e.Seq > after && !tell(e) {
			break
		}
	}
	return nil
}

// Logs makes up a log.
func (c *controller) Logs(_ context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	var b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&b, "replica %d, line %d\n", replica, i+1)
	}
	b.WriteString("cannot open model.bin with hunter2: no such file\n")
	lines := strings.SplitAfter(b.String(), "\n")
	if opt.Tail > 0 && len(lines) > opt.Tail {
		lines = lines[len(lines)-opt.Tail-1:]
	}
	return io.NopCloser(strings.NewReader(strings.Join(lines, ""))), nil
}

// cmpErr gives the first error there is.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
