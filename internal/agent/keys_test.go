// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// keysOf gives the keys of a replica, by a controller of one secret or another.
func keysOf(t *testing.T, secret []byte, id int64) Keys {
	t.Helper()
	k, err := NewKeys(secret, ref(id))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func otherSecret() []byte { return append(secret(), '!') }

func TestKeysFollowFromSecretAndReplica(t *testing.T) {
	t.Parallel()
	texts := func(k Keys) map[string]bool {
		birth, err := k.BirthPEM()
		if err != nil {
			t.Fatal(err)
		}
		return map[string]bool{k.ControllerPEM(): true, birth: true, string(seedOf(k.machine)): true}
	}
	first := keysOf(t, secret(), 7)
	// Pinned: with other keys the controllers of a later version would not reach
	// the machines of an earlier one.
	sum := sha256.Sum256([]byte(first.ControllerPEM() + string(seedOf(first.machine))))
	if got, want := hex.EncodeToString(sum[:8]), "54fb5d113f239881"; got != want {
		t.Errorf("the keys have the digest %s, want %s", got, want)
	}
	all := texts(first)
	for _, other := range []Keys{keysOf(t, otherSecret(), 7), keysOf(t, secret(), 8)} {
		for text := range texts(other) {
			if all[text] {
				t.Errorf("another replica or controller has the same key:\n%s", text)
			}
			all[text] = true
		}
	}
	if len(all) != 9 {
		t.Errorf("there are %d keys, want 9", len(all))
	}
	if _, err := NewKeys(secret()[:minSecret-1], ref(7)); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("a short secret gives %v, want %v", err, serve.ErrInvalid)
	}
}

// A machine talks to its own controller, and a controller to its own machine,
// before the machine has its program, before it has its order, and from then on.
func TestStrangersAreNotTalkedTo(t *testing.T) {
	python(t)
	for stage, prepare := range map[string]func(*rig){
		"a machine without a program": func(r *rig) { r.unit() },
		"a machine without an order":  func(r *rig) { r.agent() },
		"a machine with its order": func(r *rig) {
			r.agent()
			r.furnish(r.client(), r.supplies("exec sleep 60"))
		},
	} {
		t.Run(stage, func(t *testing.T) {
			r := newRig(t, time.Hour)
			prepare(r)
			own, other := r.keys, keysOf(t, otherSecret(), 7)
			young := r.client()
			r.eventually("the machine answers its controller", func() bool {
				_, err := young.State(r.ctx)
				return err == nil
			})
			for name, keys := range map[string]Keys{
				"another controller":                   other,
				"the controller of another replica":    keysOf(t, secret(), 8),
				"another controller that trusts it":    {controller: other.controller, birth: own.birth, machine: own.machine},
				"a controller that expects another":    {controller: own.controller, birth: other.birth, machine: other.machine},
				"one who has read the user data":       {controller: own.birth, birth: own.birth, machine: own.machine},
				"a machine that calls one of its like": {controller: own.machine, birth: own.birth, machine: own.machine},
			} {
				c := NewClient(ClientOptions{Address: r.address, Keys: keys, Young: true})
				defer c.Close()
				r.eventually(name+" is told why", func() bool {
					// What the machine says before it hangs up may be lost.
					state, err := c.State(r.ctx)
					if err == nil {
						t.Fatalf("%s is told %+v", name, state)
					}
					return errors.Is(err, serve.ErrUnauthorized)
				})
				if conn, err := c.Dial(r.ctx); err == nil {
					conn.Close()
					t.Errorf("%s has got a tunnel", name)
				}
			}
			for name, config := range map[string]*tls.Config{
				"one who shows nothing": clientTLS(tls.Certificate{}, protocolHTTP, anyone),
				"an old version of TLS": old(clientTLS(own.controller, protocolHTTP, anyone)),
			} {
				if hears(t, r.address, config) {
					t.Errorf("%s is answered", name)
				}
			}
		})
	}
}

func anyone(ed25519.PublicKey) error { return nil }

func old(c *tls.Config) *tls.Config {
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	return c
}

// hears reports whether one who asks for the state of the machine has any answer.
func hears(t *testing.T, address string, config *tls.Config) bool {
	t.Helper()
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET " + pathState + " HTTP/1.1\r\nHost: machine\r\n\r\n")); err != nil {
		return false
	}
	n, _ := conn.Read(make([]byte, 1))
	return n > 0
}

// The birth key, which is in the user data, is good for a machine's first order
// and for nothing after that.
func TestTheBirthKeyIsGoodForTheBeginningOnly(t *testing.T) {
	r := newRig(t, time.Hour)
	stop := r.agent()
	c := r.client()
	settled := NewClient(ClientOptions{Address: r.address, Keys: r.keys})
	defer settled.Close()
	r.eventually("the machine answers its controller", func() bool {
		_, err := c.State(r.ctx)
		return err == nil
	})
	if _, err := settled.State(r.ctx); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("a machine that should have its order and shows the birth key gives %v, want %v", err, serve.ErrUnauthorized)
	}
	r.furnish(c, r.supplies("exec sleep 60"))
	if _, err := settled.State(r.ctx); err != nil {
		t.Errorf("a machine with its order gives %v", err)
	}
	stop()
	c.Close()

	// Somebody who has read the user data takes the machine's place.
	impostor := newRig(t, time.Hour)
	impostor.agent()
	c.address = impostor.address
	r.eventually("the impostor answers", func() bool {
		_, err := impostor.client().State(r.ctx)
		return err == nil
	})
	if _, err := c.State(r.ctx); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("a controller that has seen the machine takes an impostor for it: %v", err)
	}
}
