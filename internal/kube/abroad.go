// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// componentAbroad labels the Secret.
const componentAbroad = "abroad"

// The keys in it: the scope, before the names of clouds what was noted of each, how it
// is reached, and what it is shown, and before the latter two a mark that is another one
// with each change.
const (
	keyScope  = "scope"
	keyMark   = "mark."
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
	objects dynamic.ResourceInterface
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
	return &Abroad{service, locker{secrets: c.typed.CoreV1().Secrets(c.namespace), service: service, component: componentAbroad}, c.objects()}
}

// Open gives what is known, and sees to it that something can be noted, as long as the
// service's object is there and is to stay.
func (a *Abroad) Open(ctx context.Context, uid string) (Known, error) {
	known, err := a.open(ctx, uid)
	if err != nil {
		return Known{}, fmt.Errorf("reading what is known of other clouds: %w", err)
	}
	return known, nil
}

// open makes the Secret if it is not there, and looks at the service's object before and
// afterwards. Who destroys the service removes that first: so either he finds the Secret,
// or it is found here that there must be none.
func (a *Abroad) open(ctx context.Context, uid string) (Known, error) {
	known, err := a.read(ctx)
	if !errors.Is(err, serve.ErrNotFound) {
		return known, err
	}
	if lives, err := a.lives(ctx, uid); err != nil || !lives {
		return Known{}, err
	}
	err = a.kept.make(ctx, map[string][]byte{keyScope: []byte(strings.ToLower(rand.Text()[:scopeSize]))})
	if err != nil && !errors.Is(err, serve.ErrConflict) {
		return Known{}, err
	}
	known, err = a.read(ctx)
	if err != nil {
		return Known{}, err
	}
	lives, err := a.lives(ctx, uid)
	if err == nil && !lives && len(known.Notes) == 0 {
		return Known{}, a.kept.remove(ctx, known.secret)
	}
	return known, err
}

// lives reports whether the service's object is there, and is to stay.
func (a *Abroad) lives(ctx context.Context, uid string) (bool, error) {
	object, err := a.objects.Get(ctx, a.service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, meaning(err)
	}
	return string(object.GetUID()) == uid && object.GetDeletionTimestamp() == nil, nil
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

// Marks tell what is told of other clouds now from what was told before.
type Marks struct {
	// Shown is of what they are shown, and Reached of how they are reached; empty as long
	// as nothing was said of it.
	Shown, Reached string
}

// Tell keeps how clouds are reached from now on, and what they are shown: nil leaves
// them what they were shown before. Of a service that is no more it is
// serve.ErrNotFound.
func (a *Abroad) Tell(ctx context.Context, uid string, briefs map[string]string, shown serve.CloudCredentials) (Marks, error) {
	marks, err := a.tell(ctx, uid, briefs, shown)
	if err != nil {
		return Marks{}, fmt.Errorf("telling the controller of other clouds: %w", err)
	}
	return marks, nil
}

func (a *Abroad) tell(ctx context.Context, uid string, briefs map[string]string, shown serve.CloudCredentials) (Marks, error) {
	known, err := a.read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		if len(briefs)+len(shown) == 0 {
			return Marks{}, nil
		}
		if known, err = a.open(ctx, uid); err == nil && known.secret == nil {
			err = serve.ErrNotFound
		}
	}
	if err != nil {
		return Marks{}, err
	}
	change := map[string][]byte{}
	marks := Marks{
		Shown:   replace(change, known.secret.Data, keyShown, shown, shown != nil),
		Reached: replace(change, known.secret.Data, keyBrief, briefs, briefs != nil),
	}
	if len(change) > 0 {
		err = a.kept.change(ctx, change)
	}
	return marks, err
}

// replace notes in change what it takes to have exactly the texts under keys that begin
// so, if it is asked for, and another mark if that is a change. It gives the mark.
func replace(change, had map[string][]byte, begin string, texts map[string]string, asked bool) (mark string) {
	mark = string(had[keyMark+begin])
	if !asked {
		return mark
	}
	var changed bool
	for key := range had {
		if cloud, is := strings.CutPrefix(key, begin); is && texts[cloud] == "" {
			change[key], changed = nil, true
		}
	}
	for cloud, text := range texts {
		if string(had[begin+cloud]) != text {
			change[begin+cloud], changed = []byte(text), true
		}
	}
	if changed {
		mark = rand.Text()
		change[keyMark+begin] = []byte(mark)
	}
	return mark
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
