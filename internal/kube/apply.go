// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Apply implements [serve.Client]. What is wrong with a spec in itself is said
// here; everything else is for the controller to say, whose answer is waited for.
func (c *Client) Apply(ctx context.Context, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, error) {
	if spec.Name != c.o.Service {
		return serve.Service{}, fmt.Errorf("this controller is for service %q, not %q: %w", c.o.Service, spec.Name, serve.ErrInvalid)
	}
	if err := c.o.Alive(ctx); err != nil {
		return serve.Service{}, err
	}
	for {
		asked, err := c.ask(ctx, spec, opt)
		if errors.Is(err, errMoved) {
			continue // and judge anew
		}
		if err != nil {
			return serve.Service{}, err
		}
		return c.answer(ctx, asked)
	}
}

// errMoved tells that someone else has changed the service's object meanwhile.
var errMoved = errors.New("the object has changed")

// asked is what was written to the object, or found there.
type asked struct {
	*ServeService
	// useless is a Secret that is not needed when this is answered, if any.
	useless string
}

// ask writes the spec into the service's object, if it does not stand there.
func (c *Client) ask(ctx context.Context, spec serve.Spec, opt serve.ApplyOptions) (asked, error) {
	object, s, err := c.object(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		object, s, err = nil, &ServeService{ObjectMeta: metav1.ObjectMeta{Name: c.o.Service}}, nil
	}
	switch {
	case err != nil:
		return asked{}, err
	case s.DeletionTimestamp != nil:
		return asked{}, fmt.Errorf("service %q is being deleted: %w", spec.Name, serve.ErrConflict)
	case opt.MustBeNew && s.exists():
		return asked{}, fmt.Errorf("service %q exists already: %w", spec.Name, serve.ErrConflict)
	}
	present, err := c.present(ctx, s, opt.KeepSecrets)
	if err != nil {
		return asked{}, err
	}
	if opt.KeepSecrets {
		spec.Secrets = nil
		if present != nil {
			spec.Secrets = present.Secrets
		}
	}
	if err := spec.Validate().Err(); err != nil {
		return asked{}, err
	}
	if present != nil && same(*present, spec) && !s.refused() {
		return asked{ServeService: s}, nil
	}
	return c.write(ctx, object, s, present, spec)
}

// present gives what is asked for at present, nil for nothing. What cannot be read
// is nothing as well, unless something of it is to be kept.
func (c *Client) present(ctx context.Context, s *ServeService, keep bool) (*serve.Spec, error) {
	spec, err := s.asked()
	if err == nil && spec != nil {
		err = revealFrom(ctx, c.c, s.Spec.SecretName, spec)
	}
	switch {
	case err == nil:
		return spec, nil
	case !keep && (errors.Is(err, serve.ErrInvalid) || errors.Is(err, serve.ErrNotFound)):
		return nil, nil //nolint:nilnil // nothing is no error
	}
	return nil, fmt.Errorf("reading what is asked of service %q: %w", s.Name, err)
}

// exists reports whether there is a service, or is to be one: not when all that
// was asked for has been refused.
func (s *ServeService) exists() bool {
	return s.Status.Service != nil || len(s.Spec.Service) > 0 && !s.refused()
}

// refused reports whether what is asked for has been refused.
func (s *ServeService) refused() bool {
	return s.Status.ObservedGeneration >= s.Generation && s.Status.Refused != ""
}

// same reports whether two specs say the same, as far as their JSON goes, where an
// empty map and none are one.
func same(a, b serve.Spec) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// write asks for spec in place of what is asked for at present, nil for nothing.
// What is secret comes first, into a Secret of a new name, so that both are in
// force at the same moment.
func (c *Client) write(ctx context.Context, object *unstructured.Unstructured, s *ServeService, present *serve.Spec, spec serve.Spec) (asked, error) {
	before, after := s.Spec.SecretName, s.Spec.SecretName
	if present == nil || !sameSecrets(*present, spec) {
		var err error
		if after, err = c.hide(ctx, s, spec); err != nil {
			return asked{}, err
		}
	}
	if present != nil && same(*present, spec) {
		s.Spec.Attempt++
	}
	s.Spec.SecretName = after
	if err := s.ask(spec); err != nil {
		return asked{}, err
	}
	written, err := c.put(ctx, object, s)
	if err != nil {
		if after != before && after != "" && !errors.Is(err, serve.ErrUnreachable) {
			err = errors.Join(err, c.forget(context.WithoutCancel(ctx), after))
		}
		return asked{}, err
	}
	result := asked{ServeService: written}
	if after != before {
		result.useless = before
	}
	return result, nil
}

func sameSecrets(a, b serve.Spec) bool {
	return maps.Equal(a.Secrets, b.Secrets) && tlsKey(a) == tlsKey(b)
}

func tlsKey(s serve.Spec) string {
	if s.TLS == nil {
		return ""
	}
	return s.TLS.Key
}

// put stores the object: over the one it was made from, or as a new one.
func (c *Client) put(ctx context.Context, object *unstructured.Unstructured, s *ServeService) (*ServeService, error) {
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	mark := rand.Text()
	s.Annotations[annotationApplied] = mark
	if !slices.Contains(s.Finalizers, finalizer) {
		s.Finalizers = append(s.Finalizers, finalizer)
	}
	next, err := s.unstructured()
	if err != nil {
		return nil, err
	}
	// Strict, as what a definition of an older version does not know would be
	// dropped without a word.
	if object == nil {
		next, err = c.c.objects().Create(ctx, next, metav1.CreateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict})
	} else {
		next, err = c.c.objects().Update(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict})
	}
	switch {
	case err == nil:
		return read(next)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && object != nil, silent(err):
		// A refusal, too, may follow upon an answer that was lost.
		_, there, readErr := c.object(ctx)
		if readErr == nil && there.Annotations[annotationApplied] == mark {
			return there, nil
		}
		// An object that has moved on takes no request any more that is under way.
		moved := readErr == nil && (object == nil || there.ResourceVersion != object.GetResourceVersion())
		if silent(err) && !moved {
			return nil, fmt.Errorf("applying service %q: %w", s.Name, meaning(err))
		}
		return nil, errMoved
	}
	return nil, fmt.Errorf("applying service %q: %w", s.Name, meaning(err))
}

// hide stores what is secret in a spec, and gives the Secret's name.
func (c *Client) hide(ctx context.Context, s *ServeService, spec serve.Spec) (string, error) {
	data, err := secretData(spec)
	if err != nil || data == nil {
		return "", err
	}
	secret := secretOf(s.Name, string(s.UID), s.Name+".secrets."+strings.ToLower(rand.Text()[:8]), data)
	secret.Labels[labelComponent] = componentSecrets
	immutable := true
	secret.Immutable = &immutable
	_, err = c.c.typed.CoreV1().Secrets(c.c.namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return "", fmt.Errorf("storing the secrets of service %q: %w", s.Name, meaning(err))
	}
	return secret.Name, nil
}

// componentSecrets marks the Secrets that Apply makes.
const componentSecrets = "secrets"

// forget deletes a Secret that Apply has made. One that a person made stays.
func (c *Client) forget(ctx context.Context, name string) error {
	secrets := c.c.typed.CoreV1().Secrets(c.c.namespace)
	secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil && secret.Labels[labelManager] == manager && secret.Labels[labelComponent] == componentSecrets && secret.Labels[labelService] == c.o.Service {
		err = secrets.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(secret.UID))})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the Secret %q: %w", name, meaning(err))
	}
	return nil
}

// answer waits for the controller to take in what was asked. Then it waits for a
// while for the service to be shown with it, and for an endpoint, as load
// balancers take their time.
func (c *Client) answer(ctx context.Context, a asked) (serve.Service, error) {
	want, err := a.asked()
	if err != nil {
		return serve.Service{}, err
	}
	taken, err := c.await(ctx, a.ServeService, func(s *ServeService) bool {
		return s.Status.ObservedGeneration >= a.Generation && (s.Status.Refused != "" || s.Status.Service != nil)
	})
	if err == nil && a.useless != "" {
		err = c.forget(ctx, a.useless)
	}
	if err == nil && taken.Status.Refused != "" {
		err = taken.refusal()
	}
	if err == nil {
		taken, err = c.patiently(ctx, shownPatience, taken, func(s *ServeService) bool {
			return s.Generation != a.Generation || s.Status.Service != nil && (s.Status.Service.RolledBack != nil || same(s.Status.Service.Spec, *want))
		})
	}
	if err == nil {
		taken, err = c.patiently(ctx, endpointPatience, taken, func(s *ServeService) bool { return s.Status.Endpoint != "" })
	}
	if err != nil {
		return serve.Service{}, err
	}
	return c.shown(taken)
}

const (
	// shownPatience is for how long Apply waits for the service to be shown with
	// what was taken in, and endpointPatience for an endpoint to have an address.
	shownPatience    = 10 * time.Second
	endpointPatience = 3 * time.Minute
)

// patiently waits until the object is as wanted, but not longer than patience, and
// gives it as it is then.
func (c *Client) patiently(ctx context.Context, patience time.Duration, now *ServeService, is func(*ServeService) bool) (*ServeService, error) {
	if is(now) {
		return now, nil
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	later, err := c.await(patient, now, is)
	if err != nil && (ctx.Err() != nil || patient.Err() == nil) {
		return nil, err
	}
	if later == nil {
		later = now
	}
	return later, nil
}

// await waits until the object is as wanted.
func (c *Client) await(ctx context.Context, s *ServeService, is func(*ServeService) bool) (now *ServeService, err error) {
	err = c.while(ctx, func(ctx context.Context) error {
		var problem error
		err := follow(ctx, c.c.objects(), nameIs(c.o.Service), func(all map[string]*unstructured.Unstructured) bool {
			object := all[c.o.Service]
			if object == nil || object.GetUID() != s.UID {
				problem = fmt.Errorf("service %q was removed meanwhile: %w", c.o.Service, serve.ErrConflict)
				return false
			}
			now, problem = read(object)
			return problem == nil && !is(now)
		})
		return errors.Join(err, problem)
	})
	return now, err
}

// refusal gives the meaning of what the controller has refused with.
func (s *ServeService) refusal() error {
	text, what := s.Status.Refused, serve.ErrInvalid
	switch {
	case len(s.Status.Errors) > 0:
		return s.Status.Errors
	case s.DeletionTimestamp != nil || strings.HasSuffix(text, ": "+serve.ErrConflict.Error()):
		what = serve.ErrConflict
	}
	return fmt.Errorf("%s: %w", strings.TrimSuffix(text, ": "+what.Error()), what)
}
