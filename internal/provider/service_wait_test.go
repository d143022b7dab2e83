// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// replica makes a replica of a revision in some state.
func replica(revision int64, change func(*serve.Replica)) serve.Replica {
	r := serve.Replica{ID: 1, Revision: revision, Launch: serve.LaunchSucceeded}
	change(&r)
	return r
}

func isReady(r *serve.Replica)    { r.Ready, r.FirstReadyAt = true, time.Unix(1, 0) }
func isStarting(r *serve.Replica) {}
func hasFailed(r *serve.Replica)  { r.Teardown, r.Cause = serve.TeardownSucceeded, serve.CauseAppFailed }

func TestWaitingEndsWhenTheNewestRevisionIsReady(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what string
		svc  serve.Service
		want error
	}{
		{"every replica is ready", serve.Service{Revision: 2, Target: 1, Status: serve.Ready, Replicas: []serve.Replica{replica(2, isReady)}}, nil},
		{"the controller has not looked yet", serve.Service{Revision: 2, Status: serve.ControllerInit}, errPending},
		{"an older revision is shown still", serve.Service{Revision: 1, Target: 1, Status: serve.Ready, Replicas: []serve.Replica{replica(1, isReady)}}, errPending},
		{"a newer revision was applied by somebody else", serve.Service{Revision: 3, Target: 1, Status: serve.Ready, Replicas: []serve.Replica{replica(3, isReady)}}, nil},
		{"only replicas of the old revision are ready", serve.Service{Revision: 2, Target: 1, Status: serve.Ready, Replicas: []serve.Replica{replica(1, isReady), replica(2, isStarting)}}, errPending},
		{"one of two is ready", serve.Service{Revision: 2, Target: 2, Status: serve.Ready, Replicas: []serve.Replica{replica(2, isReady), replica(2, isStarting)}}, errPending},
		{"none is wanted", serve.Service{Revision: 2, Status: serve.NoReplica}, nil},
		{"some are wanted although the controller has not counted", serve.Service{Revision: 2, Status: serve.NoReplica, Spec: serve.Spec{ReplicaPolicy: serve.FixedReplicas(1)}}, errPending},
		{"the service has failed", serve.Service{Revision: 2, Target: 1, Status: serve.Failed, Failure: "replica 1 is FAILED"}, errFailed},
		{"the new revision fails while the old one serves", serve.Service{Revision: 2, Target: 1, Status: serve.Ready, Failure: "replica 1 is FAILED", Replicas: []serve.Replica{replica(1, isReady), replica(2, hasFailed)}}, errFailed},
		{"the revision was given up", serve.Service{Revision: 3, Target: 1, Status: serve.Ready, RolledBack: &serve.RolledBack{Revision: 2}, Replicas: []serve.Replica{replica(3, isReady)}}, errRolledBack},
		{"another one was given up before", serve.Service{Revision: 2, Target: 1, Status: serve.Ready, RolledBack: &serve.RolledBack{Revision: 1}, Replicas: []serve.Replica{replica(2, isReady)}}, nil},
		{"all are ready and it bakes still", serve.Service{Revision: 2, Good: 1, Target: 1, Status: serve.Ready, Spec: serve.Spec{Rollback: serve.Rollback{BakeSeconds: 5}}, Replicas: []serve.Replica{replica(2, isReady)}}, errPending},
		{"it has baked for long enough", serve.Service{Revision: 2, Good: 2, Target: 1, Status: serve.Ready, Spec: serve.Spec{Rollback: serve.Rollback{BakeSeconds: 5}}, Replicas: []serve.Replica{replica(2, isReady)}}, nil},
		{"one replica fails and another one may not", serve.Service{Revision: 2, Target: 2, Status: serve.NoReplica, Replicas: []serve.Replica{replica(2, hasFailed), replica(2, isStarting)}}, errPending},
		{"an old revision had failed", serve.Service{Revision: 2, Target: 1, Status: serve.NoReplica, Replicas: []serve.Replica{replica(1, hasFailed), replica(2, isStarting)}}, errPending},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			if got := verdict(row.svc, 2); !errors.Is(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

// watcher is a client whose Watch answers with one service or error after the
// other, and with the last one for ever.
type watcher struct {
	serve.Client
	answers []any
}

// Watch gives the next answer.
func (w *watcher) Watch(_ context.Context, tell func(serve.Service) bool) error {
	answer := w.answers[0]
	if len(w.answers) > 1 {
		w.answers = w.answers[1:]
	}
	switch answer := answer.(type) {
	case serve.Service:
		tell(answer)
		return nil
	case error:
		return answer
	default:
		return fmt.Errorf("no answer: %v", answer)
	}
}

func TestAWatchIsTakenUpUntilItIsDecided(t *testing.T) {
	t.Parallel()
	pending := serve.Service{Revision: 1, Target: 1, Status: serve.NoReplica}
	done := serve.Service{Revision: 1, Target: 1, Status: serve.Ready, Replicas: []serve.Replica{replica(1, isReady)}}
	for _, row := range []struct {
		what    string
		answers []any
		want    error
		within  time.Duration
	}{
		{"ready at once", []any{done}, nil, 0},
		{"ready after two broken connections", []any{serve.ErrUnreachable, pending, serve.ErrUnreachable, done}, nil, 3 * retryPause},
		{"gone", []any{serve.ErrNotFound}, serve.ErrNotFound, 0},
		{"not allowed", []any{pending, serve.ErrUnauthorized}, serve.ErrUnauthorized, retryPause},
		{"never ready", []any{pending}, context.DeadlineExceeded, time.Minute},
		{"never reached", []any{serve.ErrUnreachable}, context.DeadlineExceeded, time.Minute},
	} {
		t.Run(row.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				err := awaitReady(ctx, &watcher{answers: row.answers}, 1, func(serve.Service) {})
				if took := time.Since(began); !errors.Is(err, row.want) || took != row.within {
					t.Errorf("got %v after %s, want %v after %s", err, took, row.want, row.within)
				}
			})
		})
	}
}

func TestWhoCannotWatchIsWarned(t *testing.T) {
	t.Parallel()
	_, diags := serviceModel{}.settle(t.Context(), &watcher{answers: []any{serve.ErrUnauthorized}}, serve.Service{Revision: 1})
	if len(diags) != 1 || diags.HasError() || !strings.Contains(diags[0].Detail(), "unauthorized") {
		t.Errorf("got %v, want one warning", diags)
	}
}

func TestASlowStartSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	says := func(message string) func(*serve.Replica) {
		return func(r *serve.Replica) { r.Message = message }
	}
	for _, row := range []struct {
		what string
		svc  serve.Service
		want string
	}{
		{"the service's own words come first", serve.Service{Revision: 2, Message: "Replica 1 waits.", Replicas: []serve.Replica{replica(2, says("refused"))}}, "\n\nReplica 1 waits."},
		{"else those of a replica", serve.Service{Revision: 2, Replicas: []serve.Replica{replica(2, says("refused"))}}, "\n\nReplica 1 is STARTING: refused"},
		{"but not of an old one", serve.Service{Revision: 2, Replicas: []serve.Replica{replica(1, says("refused"))}}, ""},
		{"nor of one that is ready", serve.Service{Revision: 2, Replicas: []serve.Replica{replica(2, func(r *serve.Replica) { isReady(r); r.Message = "it was slow" })}}, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			if got := reason(row.svc); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
