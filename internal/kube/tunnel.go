// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Dialer = (*Cloud)(nil)

// Dial connects to the server in a pod. Who was given credentials for the cluster is
// somewhere else, where the addresses of pods mean nothing: he goes through the API
// server, which he talks to by TLS, and the kubelet.
func (c *Cloud) Dial(ctx context.Context, ref serve.Ref, address string) (net.Conn, error) {
	s, err := c.cluster.connect(ctx)
	if err != nil {
		return nil, err
	}
	if s.Key().config.Content == "" {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address of replica %d: %w: %w", ref.Replica, serve.ErrInvalid, err)
	}
	conn, err := c.tunnels.dial(ctx, s, podName(ref), port)
	if err != nil {
		return nil, fmt.Errorf("connecting to the pod of replica %d through the API server: %w: %w", ref.Replica, serve.ErrUnreachable, err)
	}
	return conn, nil
}

// tunnels are the ways to pods through the API server. There is one to each pod,
// which all connections to its server share.
type tunnels struct {
	mu    sync.Mutex
	ways  map[string]*tunnel
	count atomic.Int64
}

// tunnel is a way to a pod. Its fields are guarded by the lock of all.
type tunnel struct {
	httpstream.Connection
	// users counts the connections that go this way, and last says that there will be
	// no others.
	users int
	last  bool
}

// broken reports whether the way has broken off, as it does with the pod and with the
// API server.
func (w *tunnel) broken() bool {
	select {
	case <-w.CloseChan():
		return true
	default:
		return false
	}
}

// dial connects to a port of a pod, by the way there is, or by a new one when there is
// none any more.
func (t *tunnels) dial(ctx context.Context, s *site, pod, port string) (net.Conn, error) {
	way, err := t.way(ctx, s, pod)
	if err != nil {
		return nil, err
	}
	conn, err := t.join(way, port)
	if err != nil {
		t.leave(way)
	}
	return conn, err
}

// way gives the way to a pod for one more connection, which is to leave it.
func (t *tunnels) way(ctx context.Context, s *site, pod string) (*tunnel, error) {
	if way := t.enter(pod); way != nil {
		return way, nil
	}
	dialed, failed := make(chan *tunnel), make(chan error, 1)
	go func() { // the dialer knows no context, and ends by the time-outs of the network
		by := s.Key()
		conn, err := s.open(by, pod)
		if err != nil {
			failed <- err
			return
		}
		way := t.keep(pod, conn, by)
		select {
		case dialed <- way:
		case <-ctx.Done():
			t.leave(way)
		}
	}()
	select {
	case way := <-dialed:
		return way, nil
	case err := <-failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enter gives the way to a pod, if there is one.
func (t *tunnels) enter(pod string) *tunnel {
	t.mu.Lock()
	defer t.mu.Unlock()
	way := t.ways[pod]
	if way == nil || way.broken() {
		return nil
	}
	way.users++
	return way
}

// keep has a way be that to the pod, and gives the one that somebody else has made
// meanwhile, if it is good. One that was opened with a key of before is for one
// connection.
func (t *tunnels) keep(pod string, conn httpstream.Connection, by *access) *tunnel {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.ways[pod]; other != nil && !other.broken() {
		_ = conn.Close() // nothing goes that way yet
		other.users++
		return other
	}
	way := &tunnel{Connection: conn, users: 1, last: by.over.Err() != nil}
	if way.last {
		return way
	}
	if t.ways == nil {
		t.ways = map[string]*tunnel{}
	}
	t.ways[pod] = way
	return way
}

// leave ends a connection's use of its way.
func (t *tunnels) leave(way *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if way.users--; way.users == 0 && way.last {
		_ = way.Close()
	}
}

// renew has new ways be opened for new connections. Those there are stay for as long as
// something goes that way.
func (t *tunnels) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, way := range t.ways {
		if way.last = true; way.users == 0 {
			_ = way.Close()
		}
	}
	t.ways = nil
}

// forget closes the way to a pod that is not to be there any more.
func (t *tunnels) forget(pod string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if way := t.ways[pod]; way != nil {
		_ = way.Close()
		delete(t.ways, pod)
	}
}

// open opens a way to a pod with a key.
func (s *site) open(by *access, pod string) (httpstream.Connection, error) {
	dialer, err := s.dialerTo(by, pod)
	if err != nil {
		return nil, err
	}
	way, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return way, err
}

// dialerTo gives what opens ways, through websockets or, to an API server or a proxy
// that has none, as it was done before.
func (s *site) dialerTo(by *access, pod string) (httpstream.Dialer, error) {
	settings := by.settings
	to, err := s.portForward(pod)
	if err != nil {
		return nil, err
	}
	to = by.toward(to, s.server)
	modern, err := portforward.NewSPDYOverWebsocketDialerForStreaming(to, rest.CopyConfig(settings))
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(settings)
	if err != nil {
		return nil, err
	}
	older := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, to)
	return portforward.NewFallbackDialerForStreaming(modern, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// portForward is where the API server has the ports of a pod.
func (s *site) portForward(pod string) (*url.URL, error) {
	client, ok := s.typed.CoreV1().RESTClient().(*rest.RESTClient)
	if !ok || client == nil {
		return nil, errors.New("there is no API server")
	}
	return client.Post().Resource("pods").Namespace(s.namespace).Name(pod).SubResource("portforward").URL(), nil
}

// join gives a connection to a port, which is two streams of the way: one for what is
// sent, and one by which the kubelet says what has gone wrong.
func (t *tunnels) join(way *tunnel, port string) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, port)
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(t.count.Add(1), 10))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	wrong, err := way.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	_ = wrong.Close() // nothing is said to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := way.CreateStream(headers)
	if err != nil {
		way.RemoveStreams(wrong)
		return nil, err
	}
	near, far := net.Pipe()
	over := sync.OnceFunc(func() {
		_ = data.Reset()
		_ = wrong.Reset() // or whoever reads it would wait for the kubelet to end it
		_ = far.Close()
		way.RemoveStreams(data, wrong)
		t.leave(way)
	})
	go func() {
		_, _ = io.Copy(far, data) // whoever reads sees that there is no more
		over()
	}()
	go func() {
		_, _ = io.Copy(data, far)
		over()
	}()
	go func() {
		if said, _ := io.ReadAll(wrong); len(said) > 0 {
			over() // nobody listens there, or the pod is gone
		}
	}()
	return near, nil
}
