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

// clients are those of one namespace of one cluster; they share their connections.
type clients struct {
	namespace string
	// context is the name of kubectl's context, empty where there is none.
	context string
	dynamic dynamic.Interface
	typed   kubernetes.Interface
}

// connect makes the clients. Nothing is asked of the API server yet.
func connect(config Config) (*clients, error) {
	a, err := config.access()
	if err != nil {
		return nil, err
	}
	return a.clients(a.settings)
}

// clients makes clients by some settings, for the namespace and the context of a.
func (a *access) clients(settings *rest.Config) (*clients, error) {
	c := &clients{namespace: a.namespace, context: a.config.Context}
	transport, err := rest.HTTPClientFor(settings)
	if err == nil {
		c.dynamic, err = dynamic.NewForConfigAndClient(settings, transport)
	}
	if err == nil {
		// Pods and Secrets are many and large as JSON.
		compact := rest.CopyConfig(settings)
		compact.ContentType = "application/vnd.kubernetes.protobuf"
		compact.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
		c.typed, err = kubernetes.NewForConfigAndClient(compact, transport)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing to talk to the cluster: %w: %w", serve.ErrUnauthorized, err)
	}
	return c, nil
}

// objects gives access to the services in the namespace.
func (c *clients) objects() dynamic.ResourceInterface {
	return c.dynamic.Resource(services()).Namespace(c.namespace)
}
