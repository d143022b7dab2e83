// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	kept    locker
}

// componentCertificates labels the Secret.
const componentCertificates = "certificates"

// NewCertificates gives those of a service. Nothing is asked of the API server yet.
func NewCertificates(o CertificatesOptions) (*Certificates, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	kept := locker{secrets: c.typed.CoreV1().Secrets(c.namespace), service: o.Service, component: componentCertificates}
	if o.Owner != (Owner{}) {
		kept.owners = []metav1.OwnerReference{o.Owner.reference()}
	}
	return &Certificates{o.Service, kept}, nil
}

// keyOf gives the name within the Secret, in which a key may have no plus sign. There
// is no underscore in a domain, so that two keys stay two.
func keyOf(key string) string { return strings.ReplaceAll(key, "+", "_") }

// Get gives what was put there last; serve.ErrNotFound if there is nothing.
func (c *Certificates) Get(ctx context.Context, key string) ([]byte, error) {
	secret, err := c.kept.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of service %q: %w", c.service, err)
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
	if err := c.kept.put(ctx, map[string][]byte{keyOf(key): content}); err != nil {
		return fmt.Errorf("keeping a certificate of service %q: %w", c.service, err)
	}
	return nil
}

// Delete removes what is there, if there is anything.
func (c *Certificates) Delete(ctx context.Context, key string) error {
	if err := c.kept.change(ctx, map[string][]byte{keyOf(key): nil}); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("forgetting a certificate of service %q: %w", c.service, err)
	}
	return nil
}
