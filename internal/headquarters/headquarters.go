// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package headquarters is what a controller that runs on a machine of a cloud has, in
// whichever cloud that is: what it is told, how it comes by its program, and what it
// says of itself.
//
// # Where everything is
//
// A controller has a bucket (see package bucket), and a machine that may be lost at
// any time and is made again. The bucket has what the controller is to know, in
// objects that whoever deploys it writes; the programs that it and its machines are
// run by; and its state. The machine knows where the bucket is, and nothing else: it
// fetches its program from there (fetch.py of package bootstrap), which finds the rest
// by [Open].
//
// # Who does what
//
// A [Deployer] does the same things in the same order in every cloud. What has to be
// asked of the cloud for that is an [Estate]. A [Host] is the machine seen from the
// controller that runs on it.
package headquarters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// APIPort is where a controller is asked by the provider and the command line.
const APIPort = 9737

// The objects in a controller's bucket, beside those of its store.
const (
	// settingsKey holds the settings, which the deployer writes.
	settingsKey = "controller.json"
	// credentialsKey holds serve.Credentials, which never change.
	credentialsKey = "credentials.json"
	// placeKey holds where there may be machines, which the controller writes before
	// it makes the first one there.
	placeKey = "place.json"
	// runningKey holds what the controller was told when it started, which it writes
	// then.
	runningKey = "running.json"
	// programsKey is before the digests of programs, which are compressed.
	programsKey = "programs/"
	// digestPrefix begins the digests of programs everywhere but in keys.
	digestPrefix = "sha256:"
)

// settings are what a controller has to know, beside its state.
type settings struct {
	// Program is the digest of the program to be run, and Programs those of all that
	// machines can be run by, by their architectures.
	Program  string            `json:"program"`
	Programs map[string]string `json:"programs"`
	// Address is where clients find the controller.
	Address Address `json:"address"`
	// Config is how the controller reaches its cloud, in the words of that.
	Config json.RawMessage `json:"config"`
	// Briefs are how it reaches other clouds, by their names.
	Briefs map[string]string `json:"briefs,omitempty"`
	// Shown tells what other clouds are to be shown from what they were before. Nothing
	// is to be started anew for it.
	Shown string `json:"shown,omitempty"`

	credentials serve.Credentials
}

// Address is one that stays while machines come and go.
type Address struct {
	ID string `json:"id"` // in the cloud
	IP string `json:"ip"`
}

// digest tells some settings from others that a controller is to be started anew for.
func (s settings) digest() string {
	s.Shown = ""
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// running is what a controller says of itself: what it was told, as the digest of
// its settings, and where it is.
type running struct {
	Told     string `json:"told"`
	Instance string `json:"instance"`
}

// read gives the settings in a bucket; serve.ErrNotFound if there is no controller.
func read(ctx context.Context, b bucket.Bucket) (settings, error) {
	var s settings
	if err := bucket.Read(ctx, b, settingsKey, &s); err != nil {
		return settings{}, err
	}
	return s, bucket.Read(ctx, b, credentialsKey, &s.credentials)
}

// programKey is the key of the program with a digest.
func programKey(digest string) string { return programsKey + strings.TrimPrefix(digest, digestPrefix) }

// bring has a program be in the bucket.
func bring(ctx context.Context, b bucket.Bucket, p *agent.Program) error {
	key := programKey(p.Digest())
	there, err := b.Has(ctx, key)
	if err != nil || there {
		return err
	}
	content, err := p.Compressed()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return fmt.Errorf("reading the controller's program: %w", err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the controller's program: %w", err)
	}
	return b.PutFile(ctx, key, content, sum.Sum(nil))
}

// Empty removes everything from a bucket, and last what the controller is found by: as
// long as there is anything else it is not taken for gone. What is written meanwhile may
// be left.
func Empty(ctx context.Context, b bucket.Bucket) error {
	keys, err := b.List(ctx, "")
	if err != nil {
		return err
	}
	last := func(key string) bool { return key == settingsKey || key == credentialsKey }
	for _, key := range append(slices.DeleteFunc(slices.Clone(keys), last), settingsKey, credentialsKey) {
		if err := b.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Whereabouts gives where a controller has had machines, by what it has noted and by
// how its cloud is reached now: everywhere, if nobody has kept that.
func Whereabouts[C any](noted *string, c C) (fleet.Place[C], error) {
	p := fleet.Place[C]{Everywhere: true}
	if noted != nil {
		var err error
		if p, err = fleet.ParsePlace[C](*noted); err != nil {
			return p, err
		}
	}
	p.Config = c
	return p, nil
}
