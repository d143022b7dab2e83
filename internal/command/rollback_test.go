// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A bad revision is given up by itself, whatever is wrong with it, and all the time
// the good one serves.
func TestABadRevisionIsGivenUpWhileTheGoodOneServes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for some seconds")
	}
	s := newSite(t)
	spec := s.spec("web", 2)
	spec.ReadinessProbe.InitialDelaySeconds, spec.ReadinessProbe.TimeoutSeconds = 2, 0.5
	spec.ReadinessProbe.ConsecutiveFailureThresholdTimeout = 2
	spec.Rollback.MaxFailures, spec.Rollback.BakeSeconds = 2, 10
	spec.Envs["GREETING"] = "good"
	client := s.deploy(spec)
	// So that it may be gone back to.
	service := await(t, client, "a good revision", func(s serve.Service) bool { return s.Good == 1 && spotOnly(2)(s) })

	traffic := alwaysGood(t, service.Endpoint)
	for _, behaviour := range []string{"crashes", "hangs", "answers 500", "never opens its port", "flaps"} {
		t.Run(behaviour, func(t *testing.T) {
			bad := spec
			bad.Envs = maps.Clone(spec.Envs)
			bad.Envs[behaviourVariable], bad.Envs["GREETING"] = behaviour, "bad"
			before, err := client.Apply(t.Context(), bad, serve.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			after := await(t, client, "the revision given up", func(s serve.Service) bool {
				return s.RolledBack != nil && s.RolledBack.Revision == before.Revision
			})
			t.Logf("given up: %s", after.RolledBack.Reason)
			if after.Spec.Envs["GREETING"] != "good" || after.RolledBack.Reason == "" {
				t.Errorf("it goes on with %q, as %+v", after.Spec.Envs["GREETING"], after.RolledBack)
			}
			await(t, client, "2/2 on spot", spotOnly(2))
		})
	}
	if n := traffic(); n == 0 {
		t.Error("nothing was asked")
	}
}

// alwaysGood asks a service without a pause until what it gives is called. It must
// answer, and be the good revision.
func alwaysGood(t *testing.T, url string) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for ctx.Err() == nil {
				resp, err := http.Get(url)
				if err != nil {
					t.Errorf("a request failed: %v", err)
					continue
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				// One that flaps is good for a moment.
				if text := string(body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(text, "good") && !strings.Contains(text, "bad") {
					t.Errorf("a request was answered %s %q, %v", resp.Status, body, err)
				}
				asked.Add(1)
				<-time.After(5 * time.Millisecond)
			}
		})
	}
	return func() int64 {
		cancel()
		clients.Wait()
		return asked.Load()
	}
}
