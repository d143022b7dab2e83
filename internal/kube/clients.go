// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// clients are those of one API server; they share their connections.
type clients struct {
	namespace string
	dynamic   dynamic.Interface
	typed     kubernetes.Interface
}

// connect makes the clients. Nothing is asked of the API server yet.
func connect(config Config) (*clients, error) {
	settings, namespace, err := config.rest()
	if err != nil {
		return nil, err
	}
	c := &clients{namespace: namespace}
	transport, err := rest.HTTPClientFor(settings)
	if err == nil {
		c.dynamic, err = dynamic.NewForConfigAndClient(settings, transport)
	}
	if err == nil {
		c.typed, err = kubernetes.NewForConfigAndClient(settings, transport)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the Kubernetes cluster: %w: %w", serve.ErrUnauthorized, err)
	}
	return c, nil
}

// objects gives access to the services in the namespace.
func (c *clients) objects() dynamic.ResourceInterface {
	return c.dynamic.Resource(services()).Namespace(c.namespace)
}
