// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
)

func TestAnEndpointAtSeveralAddresses(t *testing.T) {
	t.Parallel()
	e, err := ListenAll(t.Context(), "web.example.com", "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if e.URL() != "http://web.example.com" {
		t.Errorf("clients are told %s", e.URL())
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	go func() { served <- e.serve(ctx, hello, slog.New(slog.DiscardHandler)) }()
	both := e.listener.(*joined).listeners
	for range 3 {
		for _, l := range both {
			res, err := http.Get("http://" + l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("it ends with %v", err)
	}
	for _, l := range both {
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s is open still", l.Addr())
		}
	}
}

func TestAnEndpointOpensAllAddressesOrNone(t *testing.T) {
	t.Parallel()
	taken, err := Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if e, err := ListenAll(t.Context(), "h", "127.0.0.1:0", taken.Addr()); err == nil {
		t.Errorf("it is open at %s", e.Addr())
	}
}
