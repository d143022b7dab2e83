// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// locker is a Secret of a service with many things in it, each under a key of its own.
// Several may put something there at the same time.
type locker struct {
	secrets   typedcorev1.SecretInterface
	service   string
	component string
	// owners take it with them when they are removed.
	owners []metav1.OwnerReference
}

func (l locker) name() string { return l.service + "." + l.component }

// read gives all that is there; serve.ErrNotFound if there never was anything.
func (l locker) read(ctx context.Context) (*corev1.Secret, error) {
	secret, err := l.secrets.Get(ctx, l.name(), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	return secret, nil
}

// make makes the Secret with what is to be in it; serve.ErrConflict if there is one.
func (l locker) make(ctx context.Context, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            l.name(),
			Labels:          map[string]string{labelManager: manager, labelComponent: l.component, labelService: l.service},
			OwnerReferences: l.owners,
		},
		Data: data,
	}
	_, err := l.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	return meaning(err)
}

// change changes what is under some keys and leaves the others alone; nil removes it.
// Without the Secret it is serve.ErrNotFound.
func (l locker) change(ctx context.Context, data map[string][]byte) error {
	patch, err := json.Marshal(map[string]map[string][]byte{"data": data})
	if err != nil {
		return fmt.Errorf("writing to %s: %w", l.name(), err)
	}
	_, err = l.secrets.Patch(ctx, l.name(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return meaning(err)
}

// put is change, and makes the Secret if it is not there.
func (l locker) put(ctx context.Context, data map[string][]byte) error {
	err := l.change(ctx, data)
	for errors.Is(err, serve.ErrNotFound) {
		if err = l.make(ctx, data); !errors.Is(err, serve.ErrConflict) {
			return err
		}
		err = l.change(ctx, data)
	}
	return err
}

// remove removes the Secret if it is what was read; serve.ErrConflict if not. That it
// is gone is no error.
func (l locker) remove(ctx context.Context, secret *corev1.Secret) error {
	this := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion}}
	if err := l.secrets.Delete(ctx, l.name(), this); err != nil && !apierrors.IsNotFound(err) {
		return meaning(err)
	}
	return nil
}
