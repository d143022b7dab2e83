// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// secret is what the keys of machines are made of.
const secret = "a secret of the controller's that has more than 32 bytes"

func TestMain(m *testing.M) {
	if machinetest.Be() || beAgent() {
		return
	}
	// As the SDK finds them; nothing of the person who runs the tests is used.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": awstest.AccessKey, "AWS_SECRET_ACCESS_KEY": awstest.SecretKey,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
	os.Unsetenv("AWS_CA_BUNDLE") // which has no place in a way that is no network's
	os.Exit(m.Run())
}

// brief is how the account is reached in tests.
func brief(t *testing.T, c aws.Config) string {
	t.Helper()
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	known, err := aws.Brief("", c)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// rig is a cloud on an emulated AWS whose instances are records only.
type rig struct {
	*testing.T
	aws   *awstest.AWS
	fleet *stations
	cloud *aws.Cloud
}

func newRig(t *testing.T) *rig {
	t.Helper()
	a := awstest.New(t, awstest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	f := &stations{aws: a, every: time.Second, boot: 20 * time.Second}
	return &rig{t, a, f, newCloud(t, a, f, aws.Config{Regions: []string{"us-east-1"}})}
}

// newCloud gives a cloud on the account with its agents.
func newCloud(t *testing.T, a *awstest.AWS, f *stations, c aws.Config) *aws.Cloud {
	t.Helper()
	return aws.NewCloud(aws.CloudOptions{
		Known: brief(t, c), Note: func(string) error { return nil },
		Scope:   func() (string, error) { return "rig", nil },
		Secret:  func() ([]byte, error) { return []byte(secret), nil },
		Program: program(t), Transport: a.Client().Transport, Connect: f.connect,
	})
}

// offer is the cheapest in a market.
func (r *rig) offer(m serve.Market) serve.Offer {
	r.Helper()
	offers, err := r.cloud.Offers(r.Context(), serve.Resource{CPUs: "2+"})
	if err != nil {
		r.Fatal(err)
	}
	for _, o := range offers {
		if o.Market == m {
			return o
		}
	}
	r.Fatalf("there is no %s offer", m)
	return serve.Offer{}
}

func (r *rig) request(o serve.Offer) serve.LaunchRequest {
	return serve.LaunchRequest{
		Ref: serve.Ref{Service: "web", UID: "5f3c", Replica: 1}, Revision: 1, Offer: o,
		Resource: serve.Resource{CPUs: "2+"}, Port: 8080, Task: serve.Task{Run: "server"},
	}
}

// program is the agent's program where none is ever sent.
func program(t *testing.T) func(string) (*agent.Program, error) {
	path := t.TempDir() + "/agent"
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func(string) (*agent.Program, error) { return agent.OpenProgram(path) }
}

// stations are the agents of an AWS whose instances are records only: what they would
// say follows from the books.
type stations struct {
	aws *awstest.AWS
	// every is how often a machine looks at the books, and boot how long it takes
	// from its launch until it answers.
	every, boot time.Duration

	mu sync.Mutex
	at time.Time
	by map[string]awstest.Instance // the latest instance of each address
}

// instance gives the latest instance of an address.
func (f *stations) instance(host string) (awstest.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.by == nil || now.Sub(f.at) >= f.every {
		f.at, f.by = now, map[string]awstest.Instance{}
		for _, i := range f.aws.Books().Live() {
			f.by[i.PublicIP] = i
		}
	}
	i, ok := f.by[host]
	return i, ok && i.State == "running"
}

// connect gives the agent at an address.
func (f *stations) connect(o agent.ClientOptions) fleet.Machine {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		panic(err) // it was joined a moment ago
	}
	return station{f, host}
}

// station is the agent on one instance.
type station struct {
	*stations
	host string
}

func (s station) gone() error {
	return fmt.Errorf("nobody answers at %s: %w", s.host, serve.ErrUnreachable)
}

func (s station) Furnish(ctx context.Context, _ agent.Supplies) error {
	for {
		wait := time.NewTimer(s.every)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
		if i, ok := s.instance(s.host); ok && time.Since(i.Launched) > s.boot {
			return nil
		}
	}
}

func (s station) Watch(ctx context.Context, tell func(agent.State) bool) error {
	for {
		i, ok := s.instance(s.host)
		if !ok {
			return s.gone()
		}
		state := agent.State{Phase: agent.PhaseRun}
		if !i.Interrupt.IsZero() {
			state.Warnings = append(state.Warnings, agent.Warning{Kind: agent.WarningInterruption, Deadline: i.Interrupt, Detail: "terminate"})
		}
		if !i.Rebalance.IsZero() {
			state.Warnings = append(state.Warnings, agent.Warning{Kind: agent.WarningRebalance, Detail: "rebalance"})
		}
		if !tell(state) {
			return nil
		}
		wait := time.NewTimer(s.every)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

func (s station) Logs(context.Context, serve.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// Dial connects to a server that answers every request well.
func (s station) Dial(context.Context) (net.Conn, error) {
	if _, ok := s.instance(s.host); !ok {
		return nil, s.gone()
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
			io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
	}()
	return ours, nil
}

func (station) Close() {}
