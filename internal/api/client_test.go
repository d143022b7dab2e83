// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api_test

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func exampleSpec() serve.Spec {
	spec := serve.NewSpec("http")
	spec.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{PerAccelerator: map[string]float64{"A100": 2.5}}
	spec.TLS = &serve.TLS{Certificate: "certificate", Key: "tls-key-secret"}
	spec.Run = "python3 server.py # <&> \u2028"
	spec.Envs = map[string]string{"MODEL": "small"}
	spec.Secrets = map[string]string{"TOKEN": "hunter2-secret"}
	return spec
}

func exampleService() serve.Service {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	return serve.Service{
		Name: "http", UID: "0b5e1f", Revision: 2, Status: serve.Ready, Endpoint: "http://127.0.0.1:30001",
		CreatedAt: at, UpdatedAt: at, ActiveRevisions: []int64{1, 2}, Target: 2, QPS: 1.5,
		Counts: serve.Counts{Ready: 1, Total: 2}, Spec: exampleSpec().Redacted(), CostPerHour: 0.25,
		Replicas: []serve.Replica{{ID: 1, Revision: 1, Market: serve.Spot, CreatedAt: at, Launch: serve.LaunchSucceeded, Ready: true}},
	}
}

func TestEveryMethodCrossesTheWire(t *testing.T) {
	f := &fake{service: exampleService(), bundles: map[string]string{}}
	c := connect(t, start(t, f).access)
	ctx := t.Context()

	for _, spec := range []serve.Spec{exampleSpec(), {}} { // also one without defaults
		s, err := c.Apply(ctx, spec, serve.ApplyOptions{KeepSecrets: true, MustBeNew: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f.service, s); diff != "" {
			t.Errorf("the service Apply gave: %s", diff)
		}
		if diff := cmp.Diff(spec, f.spec); diff != "" {
			t.Errorf("the spec the controller got: %s", diff)
		}
	}
	f.wants(t, "apply keep=true new=true", "apply keep=true new=true")

	s, err := c.Service(ctx)
	if diff := cmp.Diff(f.service, s); err != nil || diff != "" {
		t.Errorf("Service: %v %s", err, diff)
	}
	f.wants(t, "service")

	err = errors.Join(c.Delete(ctx), c.TerminateReplica(ctx, math.MaxInt64, true), c.TerminateReplica(ctx, 1, false))
	if err != nil {
		t.Error(err)
	}
	f.wants(t, "delete", "terminate 9223372036854775807 purge=true", "terminate 1 purge=false")

	bundle := strings.Repeat("0123456789", 100_000)
	if ok, err := c.HasBundle(ctx, "sha256:00"); ok || err != nil {
		t.Errorf("HasBundle before: %v %v", ok, err)
	}
	if err := c.PutBundle(ctx, "sha256:00", strings.NewReader(bundle)); err != nil || f.bundles["sha256:00"] != bundle {
		t.Errorf("PutBundle: %v, and %d bytes arrived", err, len(f.bundles["sha256:00"]))
	}
	if ok, err := c.HasBundle(ctx, "sha256:00"); !ok || err != nil {
		t.Errorf("HasBundle after: %v %v", ok, err)
	}
	f.wants(t, "has bundle sha256:00", "put bundle sha256:00", "has bundle sha256:00")
}

func TestWatchTellsUntilItIsToldToStop(t *testing.T) {
	first, second := exampleService(), exampleService()
	second.Revision++
	f := &fake{watched: []serve.Service{first, second, first}, ended: make(chan struct{})}
	c := connect(t, start(t, f).access)
	var got []serve.Service
	err := c.Watch(t.Context(), func(s serve.Service) bool {
		got = append(got, s)
		return len(got) < 2
	})
	if diff := cmp.Diff([]serve.Service{first, second}, got); err != nil || diff != "" {
		t.Errorf("Watch: %v %s", err, diff)
	}
	<-f.ended // and the controller's end of it ends too
}

func TestWatchEndsWithItsContext(t *testing.T) {
	f := &fake{watched: []serve.Service{exampleService()}, ended: make(chan struct{})}
	c := connect(t, start(t, f).access)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Watch(ctx, func(serve.Service) bool {
		cancel()
		return true
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, serve.ErrUnreachable) {
		t.Errorf("Watch: %v, want context.Canceled alone", err)
	}
	<-f.ended
}

func TestEvents(t *testing.T) {
	f := &fake{told: []serve.Event{
		{Seq: 6, Kind: serve.EventStatus, Message: "up", From: serve.Starting, To: serve.Ready},
		{Seq: 7, Kind: serve.EventDecision, Decision: &serve.Decision{Action: serve.Launch, Reason: "none is ready"}},
	}}
	c := connect(t, start(t, f).access)
	var got []serve.Event
	for _, follow := range []bool{false, true} {
		got = nil
		err := c.Events(t.Context(), 5, follow, func(e serve.Event) bool {
			got = append(got, e)
			return !follow || len(got) < 2
		})
		if diff := cmp.Diff(f.told, got); err != nil || diff != "" {
			t.Errorf("Events with follow %v: %v %s", follow, err, diff)
		}
	}
	f.wants(t, "events after=5 follow=false", "events after=5 follow=true")
}

func TestLogs(t *testing.T) {
	f := &fake{log: strings.Repeat("a line that is not \xff text\r\n", 10_000)}
	c := connect(t, start(t, f).access)
	r, err := c.Logs(t.Context(), 3, serve.LogOptions{Tail: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != f.log {
		t.Errorf("%d bytes of %d came: %v", len(got), len(f.log), err)
	}
	f.wants(t, "logs 3 follow=false tail=5")
}

func TestAnEmptyLogIsFollowedUntilItIsClosed(t *testing.T) {
	f := &fake{}
	c := connect(t, start(t, f).access)
	r, err := c.Logs(t.Context(), 0, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err) // that it returns at all shows that nothing was waited for
	}
	read := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		read <- err
	}()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed log was read: %v", err)
	}
	f.wants(t, "logs 0 follow=true tail=0")
}

func TestALogEndsWithItsContext(t *testing.T) {
	f := &fake{log: "first line\n"}
	c := connect(t, start(t, f).access)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.Logs(ctx, 1, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, len(f.log))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v, want context.Canceled", err)
	}
}

func TestABundleThatCannotBeReadIsNotTheControllersFault(t *testing.T) {
	c := connect(t, start(t, &fake{bundles: map[string]string{}}).access)
	broken := errors.New("the disk is broken")
	err := c.PutBundle(t.Context(), "sha256:00", iotest.ErrReader(broken))
	if !errors.Is(err, broken) || errors.Is(err, serve.ErrUnreachable) {
		t.Errorf("PutBundle: %v", err)
	}
}

func TestABundleIsNotSentToAControllerThatWillNotHaveIt(t *testing.T) {
	access := start(t, &fake{}).access
	access.Token = "wrong"
	var read atomic.Bool
	err := connect(t, access).PutBundle(t.Context(), "sha256:00", readFunc(func([]byte) (int, error) {
		read.Store(true)
		return 0, io.EOF
	}))
	if !errors.Is(err, serve.ErrUnauthorized) || read.Load() {
		t.Errorf("PutBundle: %v, and that the content was read is %v", err, read.Load())
	}
}

func TestNoSecretIsSentOrLogged(t *testing.T) {
	f := &fake{service: exampleService(), ended: make(chan struct{})}
	f.service.Spec = exampleSpec() // as if the controller had forgotten itself
	f.watched = []serve.Service{f.service}
	server := start(t, f)
	c := connect(t, server.access)

	applied, err := c.Apply(t.Context(), exampleSpec(), serve.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := c.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := []serve.Service{applied, read}
	if err := c.Watch(t.Context(), func(s serve.Service) bool { seen = append(seen, s); return false }); err != nil {
		t.Fatal(err)
	}
	<-f.ended
	for i, s := range seen {
		if diff := cmp.Diff(exampleSpec().Redacted(), s.Spec); diff != "" {
			t.Errorf("service %d: %s", i, diff)
		}
	}
	wrong := server.access
	wrong.Token = "wrong-secret"
	_, wrongErr := connect(t, wrong).Service(t.Context())
	f.err = errors.New("the disk is full")
	_, failedErr := c.Apply(t.Context(), exampleSpec(), serve.ApplyOptions{})
	if wrongErr == nil || failedErr == nil {
		t.Errorf("no errors: %v, %v", wrongErr, failedErr)
	}
	server.Close() // waits for the requests, after which the log is complete
	text := server.log.String()
	for _, secret := range []string{"secret", server.access.Token} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log:\n%s", secret, text)
		}
	}
	for _, want := range []string{"path=/v1/service ", "status=200", "status=401", "the disk is full"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log:\n%s", want, text)
		}
	}
	if slices.ContainsFunc([]error{wrongErr, failedErr}, func(err error) bool { return strings.Contains(err.Error(), "secret") }) {
		t.Errorf("a secret is in an error: %v, %v", wrongErr, failedErr)
	}
}
