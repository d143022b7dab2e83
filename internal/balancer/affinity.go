// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"crypto/rand"
	"hash/fnv"
	"math"
	"net/http"
	"slices"
	"time"
)

// Requests of one session go to one backend. Which, is decided by a hash of the
// session and of each backend's identity (rendezvous hashing, Thaler and
// Ravishankar 1998), so that every copy of the balancer finds the same one without
// being told, and of the sessions only those move whose backend has gone, or for
// which a new one is the best. A backend that has more than its share under way is
// passed over (bounded load, Mirrokni et al. 2018): a session is worth less than
// an answer in time.

// mostShare is how many times the mean load a backend may have.
const mostShare = 1.25

// session gives what tells the request's session, empty for none. A client without
// a cookie is given one.
func (x *exchange) session(r rules) string {
	switch {
	case r.header != "":
		return x.request.Header.Get(r.header)
	case r.cookie == "":
		return ""
	}
	if c, err := x.request.Cookie(r.cookie); err == nil && c.Value != "" {
		return c.Value
	}
	fresh := &http.Cookie{Name: r.cookie, Value: rand.Text(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.request.TLS != nil}
	x.cookie = fresh.String()
	return fresh.Value
}

// own finds the backend of a session, nil when it has none that can take more.
func (s *snapshot) own(session string, now time.Duration, tried []*backend) *backend {
	total := 1
	for i := range s.targets {
		total += s.targets[i].inFlight()
	}
	most := int(math.Ceil(mostShare * float64(total) / float64(max(1, len(s.targets)))))
	var best *backend
	highest := uint64(0)
	for i := range s.targets {
		t := &s.targets[i]
		if time.Duration(t.suspect.Load()) > now || t.inFlight() >= most || slices.Contains(tried, t.backend) {
			continue
		}
		if score := affinity(session, t.id); best == nil || score > highest {
			best, highest = t.backend, score
		}
	}
	return best
}

// affinity is how much a session is drawn to a backend.
func affinity(session string, id int64) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(session)) // it never fails
	// FNV alone hardly tells ids apart that differ in their last bits.
	x := hash.Sum64() ^ uint64(id)*0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
