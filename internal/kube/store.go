// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// annotationState is the identity of the state that a page of events is for.
const annotationState = group + "/state"

// StoreOptions say whose state a store keeps, and where.
type StoreOptions struct {
	Config  Config
	Service string
	// Owner is the UID of the ServeService that takes what is stored with it when it
	// is removed; empty for none.
	Owner string
}

// NewStore gives the store of a service, in Secrets. One has the state and the newest
// events, so that the API server accepts a save only if nobody else has saved since.
// Older events are in Secrets of their own. Nothing is asked of the API server yet.
func NewStore(o StoreOptions) (*record.Store, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	p := &records{service: o.Service, owner: o.Owner, secrets: c.typed.CoreV1().Secrets(c.namespace)}
	return record.NewStore(p, fmt.Sprintf("of service %q", o.Service)), nil
}

// stateName is the name of the Secret of a service's state.
func stateName(service string) string { return service + ".state" }

// pageName is the name of the Secret of a page of events.
func pageName(service string, first int64) string {
	return fmt.Sprintf("%s.events.%012d", service, first)
}

// records is where the record of a service is in a cluster. The mark of a state is the
// UID of its Secret.
type records struct {
	service string
	owner   string
	secrets typedcorev1.SecretInterface
}

// Read implements [record.Place].
func (p *records) Read(ctx context.Context) (*record.Record, error) {
	secret, err := p.secrets.Get(ctx, stateName(p.service), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	return unpack(secret)
}

// Write implements [record.Place].
func (p *records) Write(ctx context.Context, r *record.Record) error {
	data, err := pack(r)
	if err != nil {
		return err
	}
	secret := secretOf(p.service, p.owner, stateName(p.service), data)
	var stored *corev1.Secret
	if r.Tag == "" {
		stored, err = p.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		secret.ResourceVersion, secret.UID = r.Tag, types.UID(r.ID)
		stored, err = p.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	switch {
	case err == nil:
		r.Tag, r.ID = stored.ResourceVersion, string(stored.UID)
		return nil
	case apierrors.IsForbidden(err):
		return err // in a namespace that is about to go, too, which is no conflict of savers
	}
	return meaning(err)
}

// Silent implements [record.Place].
func (p *records) Silent(err error) bool { return silent(err) }

// WritePage implements [record.Place]. A page that is there already is the same,
// unless it was left behind by an earlier service of the same name.
func (p *records) WritePage(ctx context.Context, id string, first int64, events []serve.Event) error {
	data, err := compress(events)
	if err != nil {
		return err
	}
	page := secretOf(p.service, p.owner, pageName(p.service, first), map[string][]byte{keyEvents: data})
	page.Annotations = map[string]string{annotationState: id}
	_, err = p.secrets.Create(ctx, page, metav1.CreateOptions{FieldManager: fieldManager})
	if !apierrors.IsAlreadyExists(err) {
		return meaning(err)
	}
	there, err := p.secrets.Get(ctx, page.Name, metav1.GetOptions{})
	if err != nil {
		return meaning(err)
	}
	if there.Annotations[annotationState] == id {
		return nil
	}
	page.ResourceVersion, page.UID = there.ResourceVersion, there.UID
	_, err = p.secrets.Update(ctx, page, metav1.UpdateOptions{FieldManager: fieldManager})
	return meaning(err)
}

// ReadPage implements [record.Place].
func (p *records) ReadPage(ctx context.Context, id string, first int64) ([]serve.Event, error) {
	secret, err := p.secrets.Get(ctx, pageName(p.service, first), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	if secret.Annotations[annotationState] != id {
		return nil, fmt.Errorf("%w: the Secret %q is of another service", serve.ErrNotFound, secret.Name)
	}
	var events []serve.Event
	if err := expand(secret.Data[keyEvents], &events); err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	return events, nil
}

// RemovePage implements [record.Place].
func (p *records) RemovePage(ctx context.Context, first int64) error {
	err := p.secrets.Delete(ctx, pageName(p.service, first), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return meaning(err)
}

// secretOf makes a Secret of a service, which goes with its owner if it has one.
func secretOf(service, owner, name string, data map[string][]byte) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{labelManager: manager, labelComponent: componentController, labelService: service},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
	if owner != "" {
		secret.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: group + "/" + version, Kind: kind, Name: service, UID: types.UID(owner),
		}}
	}
	return secret
}
