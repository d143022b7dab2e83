// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// componentAbroad labels the Secret.
const componentAbroad = "abroad"

// The keys in it: the scope, another mark whenever something else is to be shown, and
// before the names of clouds what was noted of each, how it is reached, and what it is
// shown.
const (
	keyScope  = "scope"
	keyGiven  = "given"
	keyNote   = "note."
	keyBrief  = "brief."
	keyShown  = "shown."
	scopeSize = 20
)

// AbroadOptions say whose [Abroad] it is, and where.
type AbroadOptions struct {
	Config  Config
	Service string
}

// Abroad keeps what is known of the clouds in which a service has machines, or may have,
// beside its cluster. It is a Secret that outlives the service's object: as long as it is
// there, there may be machines that somebody has to end. Its methods may be called at
// the same time.
type Abroad struct {
	service string
	kept    locker
}

// Known is what an [Abroad] keeps, by the names of clouds.
type Known struct {
	// Notes tell where there are machines, as the clouds have noted it.
	Notes map[string]string
	// Briefs tell how clouds are reached, in the same form.
	Briefs map[string]string
	// Scope is what the service's machines are known by among those of others.
	Scope string

	secret *corev1.Secret
}

// NewAbroad gives that of a service. Nothing is asked of the API server yet.
func NewAbroad(o AbroadOptions) (*Abroad, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	return c.abroad(o.Service), nil
}

func (c *clients) abroad(service string) *Abroad {
	return &Abroad{service, locker{secrets: c.typed.CoreV1().Secrets(c.namespace), service: service, component: componentAbroad}}
}

// Open gives what is known, and sees to it that something can be noted.
func (a *Abroad) Open(ctx context.Context) (Known, error) {
	known, err := a.open(ctx)
	if err != nil {
		return Known{}, fmt.Errorf("reading what is known of other clouds: %w", err)
	}
	return known, nil
}

func (a *Abroad) open(ctx context.Context) (Known, error) {
	known, err := a.read(ctx)
	if !errors.Is(err, serve.ErrNotFound) {
		return known, err
	}
	err = a.kept.make(ctx, map[string][]byte{keyScope: []byte(strings.ToLower(rand.Text()[:scopeSize]))})
	if err != nil && !errors.Is(err, serve.ErrConflict) {
		return Known{}, err
	}
	return a.read(ctx)
}

// read gives what is known; serve.ErrNotFound if nothing is.
func (a *Abroad) read(ctx context.Context) (Known, error) {
	secret, err := a.kept.read(ctx)
	if err != nil {
		return Known{}, err
	}
	known := Known{Notes: map[string]string{}, Briefs: map[string]string{}, Scope: string(secret.Data[keyScope]), secret: secret}
	for key, content := range secret.Data {
		if cloud, is := strings.CutPrefix(key, keyNote); is {
			known.Notes[cloud] = string(content)
		}
		if cloud, is := strings.CutPrefix(key, keyBrief); is {
			known.Briefs[cloud] = string(content)
		}
	}
	return known, nil
}

// Tell keeps how clouds are reached from now on, and what they are shown: nil leaves
// them what they were shown before. It gives what tells that from what they were shown
// before, empty if nothing was ever given.
func (a *Abroad) Tell(ctx context.Context, briefs map[string]string, shown serve.CloudCredentials) (given string, err error) {
	if given, err = a.tell(ctx, briefs, shown); err != nil {
		return "", fmt.Errorf("telling the controller of other clouds: %w", err)
	}
	return given, nil
}

func (a *Abroad) tell(ctx context.Context, briefs map[string]string, shown serve.CloudCredentials) (given string, err error) {
	known, err := a.read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		if len(briefs)+len(shown) == 0 {
			return "", nil
		}
		known, err = a.open(ctx)
	}
	if err != nil {
		return "", err
	}
	had := known.secret.Data
	change := map[string][]byte{}
	if shown != nil {
		for key := range had {
			if strings.HasPrefix(key, keyShown) {
				change[key] = nil
			}
		}
		for cloud, text := range shown {
			change[keyShown+cloud] = []byte(text)
		}
	}
	same := func(key string, content []byte) bool { return string(had[key]) == string(content) }
	maps.DeleteFunc(change, same)
	given = string(had[keyGiven])
	if len(change) > 0 {
		given = rand.Text()
		change[keyGiven] = []byte(given)
	}
	for cloud, brief := range briefs {
		change[keyBrief+cloud] = []byte(brief)
	}
	maps.DeleteFunc(change, same)
	if len(change) == 0 {
		return given, nil
	}
	return given, a.kept.change(ctx, change)
}

// Note keeps where there are machines in a cloud, before one is made where there was
// none. Once the service was destroyed it is serve.ErrNotFound, and none may be made.
func (a *Abroad) Note(ctx context.Context, cloud, where string) error {
	if err := a.kept.change(ctx, map[string][]byte{keyNote + cloud: []byte(where)}); err != nil {
		return fmt.Errorf("noting where there are machines in the cloud %q: %w", cloud, err)
	}
	return nil
}

// Shown implements [serve.CredentialsOf].
func (a *Abroad) Shown(ctx context.Context, cloud string) (string, error) {
	secret, err := a.kept.read(ctx)
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return "", fmt.Errorf("reading the credentials for cloud %q: %w", cloud, err)
	}
	if secret == nil {
		return "", nil
	}
	return string(secret.Data[keyShown+cloud]), nil
}
