// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// slow is a way on which each call takes a while, and none as long as another.
type slow struct {
	to     http.RoundTripper
	most   time.Duration
	mu     sync.Mutex
	random *rand.Rand
}

// RoundTrip implements [http.RoundTripper].
func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	wait := time.Duration(s.random.Int64N(int64(s.most)))
	s.mu.Unlock()
	if !turns.Sleep(r.Context(), wait) {
		return nil, r.Context().Err()
	}
	return s.to.RoundTrip(r)
}

// Those who deploy a service at the same moment have one controller, with one of each
// thing that it takes, however their calls are mingled and however late what one has made
// is seen by the other.
func TestAControllerIsOneWhoeverDeploysItTogether(t *testing.T) {
	t.Parallel()
	times := 60
	if testing.Short() {
		times = 10
	}
	for _, s := range soils() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			synctest.Test(t, func(t *testing.T) {
				g := s.new(t)
				g.deployed(g.transport)
				want = kinds(g.left())
			})
			for seed := range uint64(times) {
				synctest.Test(t, func(t *testing.T) {
					g := s.new(t)
					g.lag(time.Duration(seed%4) * 3 * time.Second)
					var at [2]string
					var both sync.WaitGroup
					for n := range at {
						w := &slow{to: g.transport, most: 2 * time.Second, random: rand.New(rand.NewPCG(seed, uint64(n)))}
						both.Go(func() {
							c, err := g.deploy(w)
							if err != nil {
								t.Errorf("seed %d: %v", seed, err)
								return
							}
							at[n] = c.(client).ip
						})
					}
					both.Wait()
					if left := g.left(); at[0] != at[1] || !slices.Equal(kinds(left), want) {
						t.Errorf("seed %d: the controllers are at %q, and there is %q", seed, at, left)
					}
					g.destroyed(g.transport)
					if left := g.left(); len(left) > 0 {
						t.Errorf("seed %d: left is %q", seed, left)
					}
				})
			}
		})
	}
}
