// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// estate is all there is of a controller in a test, and notes what is done with it.
type estate struct {
	*buckettest.Memory
	t *testing.T

	mu   sync.Mutex
	did  []string
	left bool
	// deaf is a controller that does not start.
	deaf bool
	// looked is where machines were looked for.
	looked *string
	// meanwhile is what somebody else does while an address is made.
	meanwhile func()
}

func (e *estate) note(step string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.did = append(e.did, step)
}

// steps gives what was done since it was asked last.
func (e *estate) steps() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	steps := strings.Join(e.did, ", ")
	e.did = nil
	return steps
}

func (e *estate) Bucket(context.Context) (bucket.Bucket, error) { return e.Memory, nil }

func (e *estate) MakeBucket(context.Context) (bucket.Bucket, error) {
	e.note("bucket")
	return e.Memory, nil
}

func (e *estate) MakeAddress(_ context.Context, before Address) (Address, error) {
	e.note("address")
	if do := e.meanwhile; do != nil {
		e.meanwhile = nil
		do()
	}
	if before.ID != "" {
		return before, nil
	}
	return Address{"a-1", "198.51.100.1"}, nil
}

func (e *estate) KeepAddress(_ context.Context, settled Address) error {
	e.note("keep " + settled.ID)
	return nil
}

func (e *estate) Config() any     { return map[string]string{"region": "here"} }
func (e *estate) Nowhere() string { return "{}" }

// Build has the controller start a while later, with what it is told by then.
func (e *estate) Build(ctx context.Context, architecture string) error {
	e.note("machine for " + architecture)
	s, err := read(ctx, e.Memory)
	if err != nil || e.deaf {
		return err
	}
	time.AfterFunc(time.Minute, func() {
		if err := (&Host{Bucket: e.Memory, settings: s, ID: "i-1"}).Started(e.t.Context()); err != nil {
			e.t.Error(err)
		}
	})
	return nil
}

func (e *estate) LastWords(context.Context) string   { return LastWords("i-1", "one\ntwo\n") }
func (e *estate) Left(context.Context) (bool, error) { return e.left, nil }
func (e *estate) End(context.Context) error          { e.note("end"); return nil }
func (e *estate) Cloud(noted *string) (serve.Cloud, error) {
	e.note("sweep")
	e.looked = noted
	return servetest.NewScripted(e.t, "test"), nil
}

func (e *estate) Remove(ctx context.Context) error {
	e.note("remove")
	return Empty(ctx, e.Memory)
}

// client is one of a controller that answers.
type client struct {
	serve.Client
	access serve.Access
}

func (client) Service(context.Context) (serve.Service, error) {
	return serve.Service{}, serve.ErrNotFound
}

// newDeployer gives a deployer of one estate.
func newDeployer(t *testing.T) (*Deployer, *estate) {
	t.Helper()
	e := &estate{Memory: buckettest.New(), t: t}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	made := 0
	return NewDeployer("Test", Means{
		Program: func(architecture string) (*agent.Program, error) {
			if architecture != "amd64" {
				return nil, serve.ErrInvalid
			}
			return agent.OpenProgram(path)
		},
		Credentials: func() (serve.Credentials, error) {
			made++
			return serve.Credentials{Token: fmt.Sprint("token-", made)}, nil
		},
		Connect: func(a serve.Access) (serve.Client, error) { return client{access: a}, nil },
	}, func(context.Context, string) (Estate, error) { return e, nil }), e
}

func TestAControllerIsDeployedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, e := newDeployer(t)
		for _, want := range []string{"bucket, address, keep a-1, machine for amd64", "bucket, address, keep a-1, machine for amd64"} {
			c, err := d.Deploy(t.Context(), "web", serve.DeployOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := (serve.Access{URL: "https://198.51.100.1:9737", Token: "token-1"}); c.(client).access != got {
				t.Errorf("the controller is at %v, want %v", c.(client).access, got)
			}
			if got := e.steps(); got != want {
				t.Errorf("done was %q, want %q", got, want)
			}
		}
		keys, err := e.List(t.Context(), "")
		if err != nil || len(keys) != 5 || !strings.HasPrefix(keys[3], programsKey) {
			t.Errorf("the bucket holds %q, %v", keys, err)
		}
	})
}

func TestWhoeverIsToldFirstChoosesTheAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, e := newDeployer(t)
		e.meanwhile = func() {
			if err := bucket.Write(t.Context(), e.Memory, settingsKey, settings{Address: Address{"a-2", "198.51.100.2"}}, bucket.Condition{}); err != nil {
				t.Error(err)
			}
		}
		c, err := d.Deploy(t.Context(), "web", serve.DeployOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.(client).access.URL; got != "https://198.51.100.2:9737" {
			t.Errorf("the controller is at %s", got)
		}
		if got := e.steps(); got != "bucket, address, address, keep a-2, machine for amd64" {
			t.Errorf("done was %q", got)
		}
	})
}

// leaving is a bucket that notes what is removed from it.
type leaving struct {
	bucket.Bucket
	keys []string
}

func (l *leaving) Remove(ctx context.Context, key string) error {
	l.keys = append(l.keys, key)
	return l.Bucket.Remove(ctx, key)
}

func TestWhatAControllerIsFoundByIsRemovedLast(t *testing.T) {
	t.Parallel()
	l := &leaving{Bucket: buckettest.New()}
	for _, key := range []string{"bundles/1", settingsKey, credentialsKey, placeKey, runningKey, "state.json"} {
		if _, err := l.Put(t.Context(), key, nil, bucket.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := Empty(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bundles/1", placeKey, runningKey, "state.json", settingsKey, credentialsKey}; !slices.Equal(l.keys, want) {
		t.Errorf("removed were %q", l.keys)
	}
	if left, err := l.List(t.Context(), ""); err != nil || len(left) > 0 {
		t.Errorf("left are %q, %v", left, err)
	}
}

func TestAControllerThatDoesNotStartIsToldOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, e := newDeployer(t)
		e.deaf = true
		_, err := d.Deploy(t.Context(), "web", serve.DeployOptions{})
		if !errors.Is(err, serve.ErrUnreachable) || !strings.HasSuffix(err.Error(), "its machine i-1 has printed last:\none\ntwo") {
			t.Errorf("Deploy: %v", err)
		}
	})
}

func TestWhatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	d, e := newDeployer(t)
	for _, opt := range []serve.DeployOptions{{Image: "one"}, {Copies: 2}, {Endpoint: serve.EndpointOptions{Type: "LoadBalancer"}}} {
		if _, err := d.Deploy(t.Context(), "web", opt); !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", opt, err)
		}
	}
	if steps := e.steps(); steps != "" {
		t.Errorf("done was %s", steps)
	}
}

func TestAControllerWithoutABucketIsGoneOnlyIfNothingIsLeft(t *testing.T) {
	t.Parallel()
	d, e := newDeployer(t)
	if _, err := d.Find(t.Context(), "web"); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Find: %v, want ErrNotFound", err)
	}
	e.left = true
	if _, err := d.Find(t.Context(), "web"); !errors.Is(err, serve.ErrUnreachable) {
		t.Errorf("Find: %v, want ErrUnreachable", err)
	}
}

// Who destroys looks where machines were noted, and everywhere when that is lost: also
// when the controller is deployed once more before.
func TestWhereMachinesAreLookedFor(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		happens func(ctx context.Context, e *estate, h *Host) error
		want    *string
	}{
		"there were none":    {func(context.Context, *estate, *Host) error { return nil }, new("{}")},
		"there may be some":  {func(_ context.Context, _ *estate, h *Host) error { return noteBy(h, "there") }, new("there")},
		"the note is lost":   {func(ctx context.Context, e *estate, _ *Host) error { return e.Memory.Remove(ctx, placeKey) }, nil},
		"everything is lost": {func(ctx context.Context, e *estate, _ *Host) error { return Empty(ctx, e.Memory) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, e := newDeployer(t)
				if _, err := d.Deploy(t.Context(), "web", serve.DeployOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := row.happens(t.Context(), e, &Host{Bucket: e.Memory}); err != nil {
					t.Fatal(err)
				}
				if name == "the note is lost" {
					if _, err := d.Deploy(t.Context(), "web", serve.DeployOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				e.steps()
				if _, err := d.Destroy(t.Context(), "web"); err != nil {
					t.Fatal(err)
				}
				if got := e.steps(); got != "end, sweep, remove" {
					t.Errorf("done was %q", got)
				}
				got, _ := json.Marshal(e.looked)
				if want, _ := json.Marshal(row.want); !slices.Equal(got, want) {
					t.Errorf("looked for was at %s, want %s", got, want)
				}
			})
		})
	}
}
