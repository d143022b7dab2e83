// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// A service scaled to zero is woken by a request, and that very request is
// answered.
func TestScaleFromZero(t *testing.T) {
	spec := dynamicSpec()
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 0, 1
	spec.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 1}
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(spec)
	// The first evaluation has been and has launched nothing.
	r.await("holding", func(s serve.Service) bool { return s.Status == serve.NoReplica })
	if body, err := r.get(); err != nil || body == "" {
		t.Errorf("the request that woke the service is answered %q, %v", body, err)
	}
}

func TestNothingReady(t *testing.T) {
	cloud := newCloud(t)
	cloud.OnProbe(func(serve.Ref) bool { return false })
	r := start(t, cloud, servetest.NewStore())
	r.apply(fixedSpec(1))
	r.await("STARTING", func(s serve.Service) bool { return s.Counts.Total == 1 && all(s, serve.Starting) })
	body, err := r.get()
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(body, "no replica is ready") {
		t.Errorf("a service with nothing ready answers %q, %v", body, err)
	}
}

// A request that comes when everything has just been lost waits for what takes
// its place.
func TestARequestWaitsForTheReplacement(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(dynamicSpec())
	s := r.await("2/2", settled(1, 2))
	for _, lost := range s.Replicas {
		r.cloud.Take(lost.ID)
	}
	if _, err := r.get(); err != nil {
		t.Errorf("a request was refused: %v", err)
	}
	r.await("2/2 anew", func(s serve.Service) bool { return s.Counts == serve.Counts{Ready: 2, Total: 2, Spot: 2} })
	// With the service gone there is nothing to wait for.
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.get(); err == nil {
		t.Error("a service that was deleted answers")
	}
}

// Requests go on being answered while replicas are taken one after the other.
func TestNoRequestIsLostToPreemptions(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(dynamicSpec())
	s := r.await("2/2", settled(1, 2))
	for range 5 {
		victim := s.Replicas[0].ID
		r.cloud.Take(victim)
		for range 20 {
			if _, err := r.get(); err != nil {
				t.Errorf("a request was lost: %v", err)
			}
		}
		s = r.await("replaced", func(s serve.Service) bool {
			return s.Counts == serve.Counts{Ready: 2, Total: 2, Spot: 2} && s.Replicas[0].ID != victim
		})
	}
}

func TestEndpointChangesToTLSAndBack(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	spec := fixedSpec(1)
	r.apply(spec)
	r.await("1/1", settled(1))
	credentials, err := api.NewCredentials("web")
	if err != nil {
		t.Fatal(err)
	}
	spec.TLS = &serve.TLS{Certificate: credentials.Certificate, Key: credentials.Key}
	s := r.apply(spec)
	if !strings.HasPrefix(s.Endpoint, "https://") || s.Spec.TLS.Key != "" {
		t.Errorf("with a certificate the endpoint is %s, and the key shown %q", s.Endpoint, s.Spec.TLS.Key)
	}
	r.await("the same replica serving", settled(1))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("over TLS it answers %s in %s", resp.Status, resp.Proto)
	}
	plain, err := http.Get(strings.Replace(s.Endpoint, "https", "http", 1))
	if err == nil {
		plain.Body.Close()
		if plain.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP is answered with %s on a TLS endpoint", plain.Status)
		}
	}
	spec.TLS = nil
	r.apply(spec)
	if body, err := r.get(); err != nil || body != "1" {
		t.Errorf("without the certificate again it answers %q, %v", body, err)
	}
}

func TestAControllerWhoseEndpointBreaksEnds(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	if err := r.o.Traffic.(*Front).endpoint.Close(); err != nil {
		t.Fatal(err)
	}
	<-r.stopped
	if err := r.stop(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
}
