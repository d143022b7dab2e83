// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// authority is Let's Encrypt's own server for tests, which checks as the real one
// does that a domain leads to an endpoint.
type authority struct {
	*httptest.Server
	roots *x509.CertPool
}

// newAuthority starts an authority whose certificates are valid for so many seconds,
// and for which every domain leads to a port of this machine.
func newAuthority(t *testing.T, port int, valid uint64) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	// Nor is anything refused for practice: trying again takes longer than some
	// certificates here are good for.
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: valid}})
	validator := va.New(quiet, 0, port, true, nameServer(t), store)
	front := wfe.New(quiet, store, validator, issuer, []string{"pebble.letsencrypt.org"}, true, false, 1, 1)
	a := &authority{Server: httptest.NewTLSServer(front.Handler()), roots: x509.NewCertPool()}
	t.Cleanup(a.Close)
	if !a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM()) {
		t.Fatal("the authority has no root certificate")
	}
	return a
}

// nameServer answers that every name is this machine.
func nameServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if asked := q.Question[0]; asked.Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(answer)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(), <-done); err != nil {
			t.Errorf("the name server ended with %v", err)
		}
	})
	return listener.Addr().String()
}

// endpoint is that of a service with one replica.
type endpoint struct {
	*controller.Front
	t         *testing.T
	listening *controller.Endpoint
	address   string
	close     func()
}

// open opens an endpoint at an address.
func open(t *testing.T, address string) *endpoint {
	t.Helper()
	replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	listening, err := controller.Listen(t.Context(), address, "")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{Front: controller.NewFront(listening, nil), t: t, listening: listening, address: listening.Addr()}
	e.SetBackends([]balancer.Backend{{ID: 1, Address: replica.Listener.Addr().String()}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx) }()
	e.close = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the endpoint ended with %v", err)
		}
		listening.Close()
		replica.Close()
	})
	t.Cleanup(e.close)
	return e
}

// port is that of the endpoint.
func (e *endpoint) port() int {
	addr, err := net.ResolveTCPAddr("tcp", e.address)
	if err != nil {
		e.t.Fatal(err)
	}
	return addr.Port
}

// certify has the endpoint's certificates issued.
func (e *endpoint) certify(a *authority, cache Cache, domains ...string) {
	e.t.Helper()
	e.listening.Certify = func(ctx context.Context, how serve.ACME) (*tls.Config, error) {
		return New(ctx, Options{ACME: how, Cache: cache, Transport: a.Client().Transport, Log: slog.New(slog.NewTextHandler(e.t.Output(), nil))}), nil
	}
	err := e.SetTLS(&serve.TLS{ACME: &serve.ACME{
		Domains: domains, AgreeToTerms: true, Email: "admin@example.com", DirectoryURL: a.URL + wfe.DirectoryPath,
	}})
	if err != nil {
		e.t.Fatal(err)
	}
}

// get asks the endpoint under the name of a domain, and gives the certificate it
// shows.
func (e *endpoint) get(a *authority, domain string) (*x509.Certificate, error) {
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: a.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.address)
		},
	}}
	q, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, "https://"+domain, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "hello" || resp.Proto != "HTTP/2.0" {
		e.t.Errorf("%s answers %s %q, %v", domain, resp.Proto, body, err)
	}
	return resp.TLS.PeerCertificates[0], nil
}

func TestCertificatesAreIssuedAndKept(t *testing.T) {
	e := open(t, "127.0.0.1:0")
	a := newAuthority(t, e.port(), 3600)
	cache := Dir(t.TempDir())
	e.certify(a, cache, "web.example.com", "api.example.com")
	first, err := e.get(a, "web.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.get(a, "WEB.example.com"); err != nil || !again.Equal(first) {
		t.Errorf("another connection has another certificate, %v", err)
	}
	if other, err := e.get(a, "api.example.com"); err != nil || other.Equal(first) {
		t.Errorf("another domain: %v", err)
	}
	if _, err := e.get(a, "else.example.com"); err == nil {
		t.Error("a domain that was not named is answered")
	}

	// An endpoint that starts again asks nobody.
	e.close()
	a.Close()
	e = open(t, e.address)
	e.certify(a, cache, "web.example.com", "api.example.com")
	if again, err := e.get(a, "web.example.com"); err != nil || !again.Equal(first) {
		t.Errorf("after a restart there is another certificate, %v", err)
	}
}

func TestCertificatesAreRenewed(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the end of a certificate")
	}
	e := open(t, "127.0.0.1:0")
	a := newAuthority(t, e.port(), 16)
	e.certify(a, Dir(t.TempDir()), "web.example.com")
	first, err := e.get(a, "web.example.com")
	if err != nil {
		t.Fatal(err)
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for last := first; last.Equal(first); <-look.C {
		// While it is renewed the one before is shown, and never one that is over.
		if last, err = e.get(a, "web.example.com"); err != nil {
			t.Fatalf("%v after it was issued: %v", time.Since(first.NotBefore), err)
		}
		if time.Now().After(first.NotAfter) {
			t.Fatal("it was not renewed in time")
		}
	}
}

// The authority may reach another copy of an endpoint than the one that has asked it.
func TestCopiesAnswerForOneAnother(t *testing.T) {
	one, two := open(t, "127.0.0.1:0"), open(t, "127.0.0.1:0")
	a := newAuthority(t, one.port(), 3600)
	cache := Dir(t.TempDir())
	one.certify(a, cache, "web.example.com")
	two.certify(a, cache, "web.example.com")
	first, err := two.get(a, "web.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if same, err := one.get(a, "web.example.com"); err != nil || !same.Equal(first) {
		t.Errorf("the other copy has another certificate, %v", err)
	}
}

func TestNobodyAgreesToTermsByHimself(t *testing.T) {
	e := open(t, "127.0.0.1:0")
	a := newAuthority(t, e.port(), 3600)
	config := New(t.Context(), Options{
		ACME:  serve.ACME{Domains: []string{"web.example.com"}, DirectoryURL: a.URL + wfe.DirectoryPath},
		Cache: Dir(t.TempDir()), Transport: a.Client().Transport,
	})
	hello := &tls.ClientHelloInfo{ServerName: "web.example.com", SupportedProtos: []string{"h2"}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
	if _, err := config.GetCertificate(hello); err == nil {
		t.Error("a certificate was issued")
	}
}

// What is had in another way from now on asks the authority for nothing more.
func TestTheEndOfAsking(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	config := New(ctx, Options{
		ACME: serve.ACME{Domains: []string{"web.example.com"}, AgreeToTerms: true}, Cache: Dir(t.TempDir()),
		Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked++
			return nil, errors.New("no network here")
		}),
	})
	hello := &tls.ClientHelloInfo{ServerName: "web.example.com"}
	for range 2 {
		if _, err := config.GetCertificate(hello); err == nil {
			t.Fatal("there is a certificate")
		}
		if asked == 0 {
			t.Error("nobody was asked")
		}
		cancel()
		asked = 1
	}
	if asked != 1 {
		t.Errorf("it was asked %d times too often", asked-1)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestADirectoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	cache := Dir(t.TempDir() + "/later")
	if _, err := cache.Get(t.Context(), "web.example.com"); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Get = %v", err)
	}
	if err := cache.Put(t.Context(), "acme_account+key", []byte("key")); err != nil {
		t.Fatal(err)
	}
	if got, err := cache.Get(t.Context(), "acme_account+key"); err != nil || !strings.EqualFold(string(got), "key") {
		t.Errorf("Get = %q, %v", got, err)
	}
	for range 2 {
		if err := cache.Delete(t.Context(), "acme_account+key"); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
}
