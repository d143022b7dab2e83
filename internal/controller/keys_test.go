// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// keyholder is a cloud that is shown a key: what it says to one, and how often it was
// tried.
type keyholder struct {
	*servetest.Scripted
	mu    sync.Mutex
	says  func(ctx context.Context) (bool, error)
	tried int
}

func (k *keyholder) Renew(ctx context.Context) (bool, error) {
	k.mu.Lock()
	k.tried++
	says := k.says
	k.mu.Unlock()
	return says(ctx)
}

// say has it say something else from now on.
func (k *keyholder) say(says func(ctx context.Context) (bool, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.says = says
}

// count gives how often it was tried since it was counted last.
func (k *keyholder) count() (tried int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	tried, k.tried = k.tried, 0
	return tried
}

// still is the way from clients to replicas where there is none.
type still struct{ Traffic }

func (still) Attach(func(), func(int64)) {}
func (still) SetDial(balancer.Dial)      {}

// keys are a controller of which no more is at work than what follows keys.
type keys struct {
	*Controller
	clouds map[string]*keyholder
}

func newKeys(t *testing.T) *keys {
	t.Helper()
	k := &keys{clouds: map[string]*keyholder{}}
	all := []serve.Cloud{servetest.NewScripted(t, "own")}
	for _, name := range []string{"one", "two"} {
		k.clouds[name] = &keyholder{Scripted: servetest.NewScripted(t, name), says: func(context.Context) (bool, error) { return false, nil }}
		all = append(all, k.clouds[name])
	}
	k.Controller = New(Options{Service: "web", Store: servetest.NewStore(), Clouds: all, Traffic: still{}})
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	k.loop = newLoop(ctx, k.Controller, &workers, serve.State{})
	workers.Go(k.loop.followKeys)
	t.Cleanup(func() {
		cancel()
		workers.Wait()
	})
	return k
}

// told gives what the history has got, and how often each cloud was tried.
func (k *keys) told() (events []string, tried string) {
	synctest.Wait()
	k.loop.drainInbox()
	for _, e := range k.loop.events {
		events = append(events, string(e.Kind)+": "+e.Message)
	}
	k.loop.events = nil
	slices.Sort(events)
	for _, name := range []string{"one", "two"} {
		tried += fmt.Sprint(k.clouds[name].count())
	}
	return events, tried
}

func TestCloudsAreShownWhatIsGivenAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeys(t)
		expect := func(what, tried string, events ...string) {
			t.Helper()
			got, times := k.told()
			if !slices.Equal(got, events) || times != tried {
				t.Errorf("%s: the history says %q, and the clouds were tried %s times; want %q, %s", what, got, times, events, tried)
			}
		}
		<-time.After(24 * time.Hour)
		expect("nothing is given", "00")
		k.Renew()
		expect("nothing has changed", "11")

		// One takes it; the other does for a while not.
		refused := errors.New("it does not fit")
		k.clouds["one"].say(func(context.Context) (bool, error) { return true, nil })
		k.clouds["two"].say(func(context.Context) (bool, error) { return false, refused })
		k.Renew()
		expect("one takes it", "11",
			"error: The credentials that were given last for the cloud two are not used yet, and those before still are: it does not fit",
			"notice: The cloud one is shown other credentials from now on")
		<-time.After(time.Hour)
		got, tried := k.told()
		if len(got) > 0 || tried < "013" || tried > "022" {
			t.Errorf("in the next hour the history says %q, and the clouds were tried %s times", got, tried)
		}
		k.clouds["two"].say(func(context.Context) (bool, error) { return true, nil })
		<-time.After(lastRenewal)
		expect("now the other takes it, too", "01", "notice: The cloud two is shown other credentials from now on")
		<-time.After(time.Hour)
		expect("and that is that", "00")
	})
}

// A cloud that says nothing is not waited for when something else is given.
func TestWhatIsGivenLastIsTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeys(t)
		k.clouds["one"].say(func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})
		began := time.Now()
		k.Renew()
		if got, tried := k.told(); len(got) > 0 || tried != "11" {
			t.Errorf("while it says nothing the history says %q, tried are %s", got, tried)
		}
		k.clouds["one"].say(func(context.Context) (bool, error) { return true, nil })
		k.Renew()
		if got, tried := k.told(); len(got) != 1 || tried != "11" || time.Since(began) > 0 {
			t.Errorf("after %s the history says %q, tried are %s", time.Since(began), got, tried)
		}
		k.clouds["one"].say(func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})
		k.Renew()
		<-time.After(askTimeout)
		if got, _ := k.told(); len(got) != 1 || !strings.Contains(got[0], context.DeadlineExceeded.Error()) {
			t.Errorf("when it has said nothing for long the history says %q", got)
		}
	})
}
