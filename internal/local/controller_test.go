// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// brokenFile makes the controllers of these tests fail when it is in their home.
const brokenFile = "broken"

// runController is a controller that knows its token and the way to answer.
func runController(root, service string) error {
	claim, err := ClaimController(context.Background(), root, service)
	if err != nil {
		return err
	}
	defer claim.Release()
	if exists(filepath.Join(root, brokenFile)) {
		return errors.New("something is broken here")
	}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "TF_") || strings.HasPrefix(e, "PLUGIN_") {
			return fmt.Errorf("inherited %s", e)
		}
	}
	cred, err := claim.Credentials()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := claim.Publish("http://"+l.Addr().String(), "http://endpoint", ""); err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != cred.Token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, os.Getpid())
	}))
}

// client is a client of runController.
type client struct {
	serve.Client
	access serve.Access
}

func connect(a serve.Access) (serve.Client, error) { return client{access: a}, nil }

// Service asks the controller; the Message of the answer is its process id.
func (c client) Service(ctx context.Context) (serve.Service, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.access.URL, nil)
	if err != nil {
		return serve.Service{}, err
	}
	req.Header.Set("Authorization", c.access.Token)
	resp, err := http.DefaultClient.Do(req)
	if _, ok := errors.AsType[*url.Error](err); ok {
		return serve.Service{}, fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
	if err != nil {
		return serve.Service{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return serve.Service{}, serve.ErrUnauthorized
	}
	body, err := io.ReadAll(resp.Body)
	return serve.Service{Message: string(body)}, err
}

func newDeployer(h home) *Deployer {
	return NewDeployer(DeployerOptions{
		Root:       string(h),
		Executable: os.Args[0],
		Connect:    connect,
		Credentials: func() (serve.Credentials, error) {
			return serve.Credentials{Token: "secret", Certificate: "cert", Key: "key"}, nil
		},
	})
}

// killController kills the controller as a person would, and waits for its end.
func killController(t *testing.T, h home, service string) {
	t.Helper()
	p, held, err := holder(t.Context(), h, service)
	if err == nil && !held {
		err = errors.New("nobody holds the claim")
	}
	if err == nil {
		err = p.signal(syscall.SIGKILL)
	}
	if err == nil {
		err = p.wait(t.Context())
	}
	if err != nil {
		t.Fatalf("killing the controller of %q: %v", service, err)
	}
}

func TestDeployerKeepsItsContract(t *testing.T) {
	t.Parallel()
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		f := newFixture(t, nil)
		d := newDeployer(f.home)
		t.Cleanup(func() {
			for _, name := range []string{"web", "other"} {
				if _, err := d.Destroy(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		})
		return d
	}, servetest.DeployerHooks{
		Kill: func(t *testing.T, d serve.Deployer, service string) {
			killController(t, homeOf(t, d), service)
		},
		Forget: func(t *testing.T, d serve.Deployer, service string) {
			if err := os.RemoveAll(homeOf(t, d).controller(service)); err != nil {
				t.Fatal(err)
			}
		},
		Launch: func(t *testing.T, d serve.Deployer, service string, replica int64) serve.Instance {
			f := &fixture{T: t, Cloud: newCloud(homeOf(t, d)), home: homeOf(t, d), ctx: t.Context()}
			req := f.request(replica, "exec sleep 3600")
			req.Ref.Service = service
			return f.launch(req)
		},
	})
}

func homeOf(t *testing.T, d serve.Deployer) home {
	t.Helper()
	deployer, ok := d.(*Deployer)
	if !ok {
		t.Fatalf("%T is not the local deployer", d)
	}
	h, err := openHome(deployer.o.Root)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAControllerThatFailsIsShownByItsLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if err := os.WriteFile(filepath.Join(string(f.home), brokenFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newDeployer(f.home).Deploy(f.ctx, "web", serve.DeployOptions{})
	if err == nil || !strings.Contains(err.Error(), "something is broken here") {
		t.Errorf("Deploy = %v, want the controller's last words", err)
	}
}

func TestManyDeploymentsAtOnceStartOneController(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	answers := make(chan string)
	const many = 8
	for range many {
		go func() {
			// A deployer each, as of different processes.
			c, err := newDeployer(f.home).Deploy(f.ctx, "web", serve.DeployOptions{})
			if err != nil {
				answers <- err.Error()
				return
			}
			s, err := c.Service(f.ctx)
			answers <- fmt.Sprint(s.Message, err)
		}()
	}
	first := <-answers
	for range many - 1 {
		if other := <-answers; other != first {
			t.Errorf("one was answered %q, another %q", first, other)
		}
	}
	if _, err := newDeployer(f.home).Destroy(f.ctx, "web"); err != nil {
		t.Errorf("Destroy: %v", err)
	}
	f.nothingRuns()
}

func TestAControllerWithoutItsDirectoryIsReplacedNotJoined(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	d := newDeployer(f.home)
	if _, err := d.Deploy(f.ctx, "web", serve.DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.home.controller("web")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(f.ctx, "web"); !errors.Is(err, serve.ErrUnreachable) {
		t.Errorf("Find = %v, want ErrUnreachable: the controller is still there", err)
	}
	if _, err := d.Deploy(f.ctx, "web", serve.DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	all, err := members(f.home)
	if err != nil || len(all) != 1 {
		t.Errorf("controllers: %+v, %v; want one", all, err)
	}
	if _, err := d.Destroy(f.ctx, "web"); err != nil {
		t.Error(err)
	}
}

func TestAServiceIsClaimedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	first, err := ClaimController(f.ctx, string(f.home), "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ClaimController(f.ctx, string(f.home), "web"); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("the second claim = %v, want ErrConflict", err)
	}
	if err := first.Publish("http://one", "http://two", "three"); err != nil {
		t.Fatal(err)
	}
	first.Release()
	second, err := ClaimController(f.ctx, string(f.home), "web")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if p, err := second.Published(); err != nil || p.URL != "http://one" || p.Endpoint != "http://two" || p.Page != "three" {
		t.Errorf("Published = %+v, %v; want what the one before has published", p, err)
	}
	if _, err := second.Credentials(); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Credentials = %v, want ErrNotFound: it was never deployed", err)
	}
}

// A service whose controller is down for a moment finds its endpoint free again:
// a service that is new meanwhile does not take it.
func TestAnEndpointStaysTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	claim := func(service string) *Claim {
		t.Helper()
		c, err := ClaimController(f.ctx, string(f.home), service)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Release)
		return c
	}
	web := claim("web")
	if err := web.Publish("https://127.0.0.1:4", "127.0.0.1:30001", ""); err != nil {
		t.Fatal(err)
	}
	// One that was destroyed, but for its files: whoever did it was killed.
	if err := os.Mkdir(f.home.controller(".gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := jsonfile.Write(filepath.Join(f.home.controller(".gone"), accessFile), Publication{Endpoint: "127.0.0.1:30002"}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		by   string
		from *Claim
		want []string
	}{
		{"another service", claim("api"), []string{"127.0.0.1:30001"}},
		{"itself", web, nil},
	} {
		if got, err := tc.from.Taken(); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("taken, asked by %s = %v, %v; want %v", tc.by, got, err, tc.want)
		}
	}
}
