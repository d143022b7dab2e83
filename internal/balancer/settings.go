// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Settings are what may change while a balancer is at work. The zero value of each
// field is a usable default.
type Settings struct {
	// Policy is least_load, round_robin or instance_aware_least_load. Anything
	// else is least_load.
	Policy string `json:"policy,omitempty"`
	// StreamTimeout is how long a request under way may be silent: no byte to or
	// from the backend. It is not a limit on how long a request may take.
	StreamTimeout time.Duration `json:"stream_timeout,omitempty"`
	// MaxBody is how many bytes the body of a request may have; 0 is any number.
	MaxBody int64 `json:"max_body,omitempty"`
	// Keys are the SHA-256 digests, in hexadecimal, of the keys of which a request
	// must show one; none lets every request in.
	Keys []string `json:"keys,omitempty"`
	// Cookie or Header is what tells sessions apart, all of whose requests go to the
	// same backend while it can take them; see affinity.go.
	Cookie string `json:"cookie,omitempty"`
	Header string `json:"header,omitempty"`
	// AccessLog has every request noted in the log.
	AccessLog bool `json:"access_log,omitempty"`
}

// rules are settings as a request needs them.
type rules struct {
	policy    policy
	silence   time.Duration // see Settings.StreamTimeout
	maxBody   int64
	keys      [][sha256.Size]byte
	cookie    string
	header    string
	accessLog bool
}

func (s Settings) rules() rules {
	r := rules{
		policy: parsePolicy(s.Policy), silence: streamTimeout(s.StreamTimeout), maxBody: s.MaxBody,
		cookie: s.Cookie, header: s.Header, accessLog: s.AccessLog,
	}
	for _, text := range s.Keys {
		var key [sha256.Size]byte
		// What is no digest is one that no key has: it must not open the door.
		if n, err := hex.Decode(key[:], []byte(text)); err != nil || n != len(key) {
			key = sha256.Sum256([]byte("no key has this digest " + text))
		}
		r.keys = append(r.keys, key)
	}
	return r
}
