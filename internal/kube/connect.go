// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"fmt"
	"strings"
	"sync"

	"k8s.io/client-go/kubernetes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// inCluster is the region of a cluster that no context has a name for.
const inCluster = "in-cluster"

// site is one namespace of one cluster, connected to.
type site struct {
	client    kubernetes.Interface
	namespace string
	// context is the name of kubectl's context, or inCluster.
	context string
}

// connector connects on first use. A failure is not remembered: the files it
// was for may be mended.
type connector struct {
	config Config
	mu     sync.Mutex
	made   *site
}

func (c *connector) connect() (*site, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made, nil
	}
	config, namespace, err := c.config.rest()
	if err != nil {
		return nil, err
	}
	// Pods and Secrets are many and large as JSON.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("preparing to talk to the cluster: %w: %w", serve.ErrUnauthorized, err)
	}
	c.made = &site{client: client, namespace: namespace, context: c.config.contextName()}
	return c.made, nil
}

// contextName is the name of the context in use. It becomes a part of an infra,
// where a slash divides parts.
func (c Config) contextName() string {
	name := c.CurrentContext()
	if name == "" {
		return inCluster
	}
	return strings.ReplaceAll(name, "/", "-")
}
