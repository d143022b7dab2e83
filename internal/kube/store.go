// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// settlePatience is for how long the outcome of a save is looked for whose answer
// was lost.
const settlePatience = 15 * time.Second

// StoreOptions say whose state a store keeps, and where.
type StoreOptions struct {
	Config  Config
	Service string
	// Owner is the UID of the ServeService that takes what is stored with it when it
	// is removed; empty for none.
	Owner string
}

// Store is a [serve.Store] in Secrets. One has the state and the newest events,
// so that a save is one request, which the API server accepts only if nobody else
// has saved since. Older events are in Secrets of their own; see events.go.
type Store struct {
	service  string
	owner    string
	secrets  typedcorev1.SecretInterface
	patience time.Duration // settlePatience

	mu sync.Mutex
	// last is the record that was read or written last, nil when none is known, and
	// uid the identity of the Secret that saves are for, empty before there is one.
	last *record
	uid  types.UID
	// lost are the marks of saves that may yet have been done, as their answers
	// were lost, and base is the record they were to follow.
	lost map[string]bool
	base *record
}

var _ serve.Store = (*Store)(nil)

// NewStore gives the store of a service. Nothing is asked of the API server yet.
func NewStore(o StoreOptions) (*Store, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	return &Store{service: o.Service, owner: o.Owner, secrets: c.typed.CoreV1().Secrets(c.namespace), patience: settlePatience}, nil
}

// stateName is the name of the Secret of a service's state.
func stateName(service string) string { return service + ".state" }

// Close implements [serve.Store].
func (s *Store) Close() error { return nil }

// Load implements [serve.Store].
func (s *Store) Load(ctx context.Context) (serve.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.read(ctx)
	if err != nil {
		return serve.State{}, fmt.Errorf("loading state of service %q: %w", s.service, err)
	}
	// Whoever loads builds upon what is there, whoever has saved it.
	s.last, s.uid, s.lost, s.base = r, r.uid, nil, nil
	state, err := r.decode()
	if err != nil {
		return serve.State{}, fmt.Errorf("loading state of service %q: %w", s.service, err)
	}
	return state, nil
}

// Save implements [serve.Store].
func (s *Store) Save(ctx context.Context, state serve.State, events []serve.Event) (version uint64, last int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var saved *record
	if err = ctx.Err(); err == nil {
		saved, err = s.save(ctx, state, events)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("saving state of service %q: %w", s.service, err)
	}
	s.last, s.uid, s.lost, s.base = saved, saved.uid, nil, nil
	return saved.Version, saved.Last, nil
}

func (s *Store) save(ctx context.Context, state serve.State, events []serve.Event) (*record, error) {
	for {
		base, err := s.present(ctx, state.Version)
		if err != nil {
			return nil, err
		}
		if len(base.events) > pageEvents {
			if base, err = s.turnPage(ctx, base); err != nil {
				return nil, err
			}
		}
		next, err := base.next(rand.Text(), state, events)
		if err != nil {
			return nil, err
		}
		err = s.write(ctx, base, next)
		if err == nil {
			return next, nil
		}
		s.last = nil // what is there must be read again
		if !errors.Is(err, errOvertaken) {
			return nil, err
		}
	}
}

// errOvertaken tells that an earlier save of this very store was done after all,
// when a later one of the same state was under way already.
var errOvertaken = errors.New("overtaken by an earlier save")

// present gives the record that a save of the given version follows.
func (s *Store) present(ctx context.Context, version uint64) (*record, error) {
	if s.last != nil && s.last.Version == version && len(s.lost) == 0 {
		return s.last, nil
	}
	r, err := s.read(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound) && version == 0 && s.uid == "":
		return &record{head: head{First: 1}}, nil
	case errors.Is(err, serve.ErrNotFound):
		return nil, fmt.Errorf("%w: nothing is stored, and not version %d: the service was removed", serve.ErrConflict, version)
	case err != nil:
		return nil, err
	case s.uid != "" && s.uid != r.uid:
		return nil, fmt.Errorf("%w: the state is that of another service of the same name: the one before was removed", serve.ErrConflict)
	case s.lost[r.Save] && s.base.Version == version:
		// It was our own save whose answer was lost. Its caller was told that it had
		// failed and saves anew, so that this one takes its place.
		base := *s.base
		base.at, base.uid = r.at, r.uid
		return &base, nil
	case r.Version != version:
		return nil, fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, r.Version, version)
	}
	return r, nil
}

// read asks for the stored record.
func (s *Store) read(ctx context.Context) (*record, error) {
	secret, err := s.secrets.Get(ctx, stateName(s.service), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	return unpack(secret)
}

// write stores a record if base, which it follows, is still there, and finds out
// whether it is stored when the answer is lost.
func (s *Store) write(ctx context.Context, base, r *record) error {
	data, err := r.pack()
	if err != nil {
		return err
	}
	secret := s.secret(stateName(s.service), data)
	secret.ResourceVersion, secret.UID = r.at, r.uid
	err = s.send(ctx, secret, r)
	if err == nil || !silent(err) && ctx.Err() == nil {
		return err
	}
	// The request may be under way yet, so that looking is not enough: only an
	// answer to the same request settles it, as one of the two is refused.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		again := s.send(settling, secret, r)
		if again == nil || !silent(again) && settling.Err() == nil {
			return again
		}
		select {
		case <-time.After(wait):
			continue
		case <-settling.Done():
		}
		if s.lost == nil {
			s.lost = map[string]bool{}
		}
		s.lost[r.Save], s.base = true, base
		return fmt.Errorf("%w (whether the state was stored is not known)", meaning(err))
	}
}

// send asks the API server to store a record, and judges a refusal.
func (s *Store) send(ctx context.Context, secret *corev1.Secret, r *record) error {
	var stored *corev1.Secret
	var err error
	if secret.ResourceVersion == "" {
		stored, err = s.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		stored, err = s.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err == nil {
		r.at, r.uid = stored.ResourceVersion, stored.UID
		return nil
	}
	if apierrors.IsNotFound(err) && secret.ResourceVersion != "" {
		return fmt.Errorf("%w: the state is not there any more: the service was removed", serve.ErrConflict)
	}
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return err
	}
	// It may be refused because it was carried out before.
	there, readErr := s.read(ctx)
	switch {
	case errors.Is(readErr, serve.ErrNotFound):
		return meaning(err)
	case readErr != nil:
		return readErr
	case there.Save == r.Save:
		r.at, r.uid = there.at, there.uid
		return nil
	case s.lost[there.Save]:
		return errOvertaken
	}
	return fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, there.Version, r.Version-1)
}

// secret makes a Secret of the service.
func (s *Store) secret(name string, data map[string][]byte) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{labelManager: manager, labelComponent: componentController, labelService: s.service},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
	if s.owner != "" {
		secret.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: group + "/" + version, Kind: kind, Name: s.service, UID: types.UID(s.owner),
		}}
	}
	return secret
}
