// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestHowCertificatesAreIssued(t *testing.T) {
	t.Parallel()
	e, err := Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	issued := func(domains ...string) *serve.TLS {
		return &serve.TLS{ACME: &serve.ACME{Domains: domains, AgreeToTerms: true}}
	}
	if err := e.SetTLS(issued("a.example.com")); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("without anybody who could, it gives %v", err)
	}
	var asked []context.Context
	var refused error
	e.Certify = func(ctx context.Context, _ serve.ACME) (*tls.Config, error) {
		asked = append(asked, ctx)
		return &tls.Config{MinVersion: tls.VersionTLS12}, refused
	}
	set := func(s *serve.TLS) {
		t.Helper()
		if err := e.SetTLS(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // as with every revision
		set(issued("a.example.com"))
	}
	if len(asked) != 1 || asked[0].Err() != nil || !strings.HasPrefix(e.URL(), "https://") {
		t.Fatalf("it was asked %d times, and is at %s", len(asked), e.URL())
	}
	refused = errors.New("not today")
	if err := e.SetTLS(issued("b.example.com")); !errors.Is(err, refused) || asked[0].Err() != nil || asked[1].Err() == nil {
		t.Errorf("refused, it gives %v, and what was issued before ended with %v", err, asked[0].Err())
	}
	refused = nil
	set(issued("b.example.com"))
	if len(asked) != 3 || asked[0].Err() == nil || asked[2].Err() != nil {
		t.Errorf("it was asked %d times, and the first goes on", len(asked))
	}
	set(nil)
	if asked[2].Err() == nil || !strings.HasPrefix(e.URL(), "http://") {
		t.Errorf("without TLS it is at %s, and asks on", e.URL())
	}
	set(issued("b.example.com"))
	e.Close()
	if len(asked) != 4 || asked[3].Err() == nil {
		t.Error("a closed endpoint asks on")
	}
}
