// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
)

// A turn is a change of backends of which none stays, as when a revision takes
// over from another at once. A client that has seen the new must not see the old
// afterwards, whichever copies it comes to. So all copies let go of the old ones
// first, and only when each has said so they are given the new ones; for these
// milliseconds requests wait.
const (
	// turnPatience is how long a copy may take to let go. One that takes longer is
	// most likely gone, and nobody can be kept waiting for it.
	turnPatience = time.Second
	// turnHold is how long requests may wait during a turn.
	turnHold = 5 * time.Second
)

// SetBackends replaces the backends of all copies.
func (s *shared) SetBackends(backends []balancer.Backend) {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.wanted = slices.Clone(backends)
	switch {
	case s.turning: // they are put when the turn is over
	case s.apart(backends):
		s.turning = true
		s.put(nil, s.wanted)
		go s.turn()
	default:
		s.put(s.wanted, nil)
	}
	s.settled()
}

// apart reports whether nothing of what is in force stays, and there is another
// copy to mind.
func (s *shared) apart(backends []balancer.Backend) bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	old := s.route.Backends
	return len(s.hub.followers) > 0 && len(old) > 0 && len(backends) > 0 && !slices.ContainsFunc(old, func(b balancer.Backend) bool {
		return slices.ContainsFunc(backends, func(c balancer.Backend) bool { return b.ID == c.ID })
	})
}

// put puts backends in force. With others that follow, requests wait for these.
// The caller holds s.setting.
func (s *shared) put(backends, next []balancer.Backend) {
	var hold int64
	s.change(func(r *route) {
		r.Backends, r.Next, s.routed = backends, next, true
		hold = r.hold()
	})
	enforce(s.Front, backends, hold)
}

// enforce puts backends in force at one copy, so that no request that waits is
// refused in between.
func enforce(front *controller.Front, backends []balancer.Backend, hold int64) {
	if len(backends) > 0 {
		front.SetBackends(backends)
		front.SetHold(time.Duration(hold))
		return
	}
	front.SetHold(time.Duration(hold))
	front.SetBackends(backends)
}

// turn ends a turn when all copies have let go of the old backends.
func (s *shared) turn() {
	ctx, cancel := context.WithTimeout(context.Background(), turnPatience)
	defer cancel()
	for {
		behind, changed := s.behind()
		if !behind {
			break
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		break
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	s.turning = false
	s.put(s.wanted, nil)
}

// behind reports whether a follower has not taken in the newest route yet.
func (s *shared) behind() (bool, <-chan struct{}) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for f := range s.hub.followers {
		if f.states[s.uid].Version < s.route.Version {
			return true, s.hub.changed
		}
	}
	return false, s.hub.changed
}

// hold is for how long requests may wait, in nanoseconds.
func (r route) hold() int64 {
	if len(r.Next) > 0 {
		return max(r.Hold, int64(turnHold))
	}
	return r.Hold
}
