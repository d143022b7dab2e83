// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package keyring_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// key is a key that notes its end.
type key struct {
	text   string
	closed *[]string
}

func (k key) Close() error {
	*k.closed = append(*k.closed, k.text)
	return nil
}

func TestAKeyIsChangedForOneThatFits(t *testing.T) {
	t.Parallel()
	var given string
	var reading error
	var tried, closed []string
	shown := func(_ context.Context, cloud string) (string, error) {
		if cloud != "test" {
			t.Errorf("what %q is shown is asked for", cloud)
		}
		return given, reading
	}
	try := func(_ context.Context, text string) (key, error) {
		tried = append(tried, text)
		if strings.HasPrefix(text, "bad") {
			return key{}, serve.ErrUnauthorized
		}
		return key{text, &closed}, nil
	}
	given = "bad"
	if k, err := keyring.Open(t.Context(), "test", shown, try); !errors.Is(err, serve.ErrUnauthorized) || k != nil {
		t.Errorf("the first key does not fit: %v, want ErrUnauthorized", err)
	}
	given = "one"
	k, err := keyring.Open(t.Context(), "test", shown, try)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what, given string
		reading     error
		changed     bool
		err         error
		key         string
	}{
		{"it is the same", "one", nil, false, nil, "one"},
		{"it does not fit", "bad", nil, false, serve.ErrUnauthorized, "one"},
		{"it does not fit yet", "bad", nil, false, serve.ErrUnauthorized, "one"},
		{"the old one is given again", "one", nil, false, nil, "one"},
		{"another one", "two", nil, true, nil, "two"},
		{"nobody can read it", "three", serve.ErrUnreachable, false, serve.ErrUnreachable, "two"},
		{"now it is read", "three", nil, true, nil, "three"},
		{"it is taken back", "", nil, true, nil, ""},
	} {
		given, reading = step.given, step.reading
		changed, err := k.Renew(t.Context())
		if changed != step.changed || !errors.Is(err, step.err) || k.Key().text != step.key {
			t.Errorf("%s: changed is %v, the key %q, %v; want %v, %q, %v", step.what, changed, k.Key().text, err, step.changed, step.key, step.err)
		}
	}
	if want := []string{"bad", "one", "bad", "bad", "two", "three", ""}; !slices.Equal(tried, want) {
		t.Errorf("tried were %q, want %q", tried, want)
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(closed, want) {
		t.Errorf("closed were %q, want %q", closed, want)
	}
}

func TestWhereNothingIsGivenNothingChanges(t *testing.T) {
	t.Parallel()
	k, err := keyring.Open(t.Context(), "test", nil, func(_ context.Context, text string) (string, error) { return "found" + text, nil })
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := k.Renew(t.Context()); changed || err != nil || k.Key() != "found" {
		t.Errorf("changed is %v, the key %q, %v", changed, k.Key(), err)
	}
}

// While a key is tried the one before is used, and who does not want to wait for the
// trial of somebody else need not.
func TestATrialHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		given := "one"
		k, err := keyring.Open(t.Context(), "test", func(context.Context, string) (string, error) { return given, nil },
			func(ctx context.Context, text string) (string, error) {
				if text == "one" {
					return text, nil
				}
				<-ctx.Done()
				return "", ctx.Err()
			})
		if err != nil {
			t.Fatal(err)
		}
		given = "two"
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		done := make(chan error)
		go func() {
			_, err := k.Renew(ctx)
			done <- err
		}()
		synctest.Wait()
		if k.Key() != "one" {
			t.Errorf("during the trial the key is %q", k.Key())
		}
		short, over := context.WithTimeout(t.Context(), time.Second)
		defer over()
		if changed, err := k.Renew(short); changed || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who waits for a second is told %v, %v", changed, err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || k.Key() != "one" {
			t.Errorf("the trial ends with %v, and the key is %q", err, k.Key())
		}
	})
}
