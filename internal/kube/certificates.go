// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// CertificatesOptions say whose certificates are kept, and where.
type CertificatesOptions struct {
	Config  Config
	Service string
	// Owner takes them with it when it is removed; the zero Owner keeps them.
	Owner Owner
}

// Certificates keeps what an authority has issued for a service's endpoint, with the
// keys, in one Secret that all copies of the controller share. Its methods may be
// called at the same time, also by several copies.
type Certificates struct {
	service string
	owners  []metav1.OwnerReference
	secrets typedcorev1.SecretInterface
}

// NewCertificates gives those of a service. Nothing is asked of the API server yet.
func NewCertificates(o CertificatesOptions) (*Certificates, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	kept := &Certificates{service: o.Service, secrets: c.typed.CoreV1().Secrets(c.namespace)}
	if o.Owner != (Owner{}) {
		kept.owners = []metav1.OwnerReference{o.Owner.reference()}
	}
	return kept, nil
}

// componentCertificates labels the Secret.
const componentCertificates = "certificates"

func (c *Certificates) name() string { return c.service + ".certificates" }

// keyOf gives the name within the Secret, in which a key may have no plus sign. There
// is no underscore in a domain, so that two keys stay two.
func keyOf(key string) string { return strings.ReplaceAll(key, "+", "_") }

// Get gives what was put there last; serve.ErrNotFound if there is nothing.
func (c *Certificates) Get(ctx context.Context, key string) ([]byte, error) {
	secret, err := c.secrets.Get(ctx, c.name(), metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of service %q: %w", c.service, meaning(err))
	}
	content, ok := secret.Data[keyOf(key)]
	if !ok {
		return nil, fmt.Errorf("reading the certificates of service %q: %w: there is no %q", c.service, serve.ErrNotFound, key)
	}
	return content, nil
}

// Put puts content there, in place of what is there. Others may put something else
// at the same time.
func (c *Certificates) Put(ctx context.Context, key string, content []byte) error {
	err := c.patch(ctx, key, content)
	if apierrors.IsNotFound(err) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name:            c.name(),
				Labels:          map[string]string{labelManager: manager, labelComponent: componentCertificates, labelService: c.service},
				OwnerReferences: c.owners,
			},
			Data: map[string][]byte{keyOf(key): content},
		}
		_, err = c.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.IsAlreadyExists(err) {
			err = c.patch(ctx, key, content)
		}
	}
	if err != nil {
		return fmt.Errorf("keeping a certificate of service %q: %w", c.service, meaning(err))
	}
	return nil
}

// Delete removes what is there, if there is anything.
func (c *Certificates) Delete(ctx context.Context, key string) error {
	if err := c.patch(ctx, key, nil); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("forgetting a certificate of service %q: %w", c.service, meaning(err))
	}
	return nil
}

// patch changes one key and leaves the others alone; nil removes it.
func (c *Certificates) patch(ctx context.Context, key string, content []byte) error {
	patch, err := json.Marshal(map[string]map[string][]byte{"data": {keyOf(key): content}})
	if err != nil {
		return fmt.Errorf("writing a certificate: %w", err)
	}
	_, err = c.secrets.Patch(ctx, c.name(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}
