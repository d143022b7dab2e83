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
	// context is the name of kubectl's context, empty where there is none.
	context string
	// scope is whose pods are meant.
	scope string
}

// connector connects on first use. A failure is not remembered: the files it
// was for may be mended.
type connector struct {
	config Config
	scope  func() (string, error)
	mu     sync.Mutex
	made   *site
}

func (c *connector) connect() (*site, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made, nil
	}
	// Held fast before anything else is read: kubectl's own may change any time.
	chosen := c.config
	chosen.Context = c.config.CurrentContext()
	config, namespace, err := chosen.rest()
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
	made := &site{client: client, namespace: namespace, context: chosen.Context}
	if c.scope != nil {
		if made.scope, err = c.scope(); err != nil {
			return nil, err
		}
	}
	c.made = made
	return made, nil
}

// region is the context's name as a part of an infra, where a slash divides parts.
func (s *site) region() string {
	if s.context == "" {
		return inCluster
	}
	return strings.ReplaceAll(s.context, "/", "-")
}

// ours selects what belongs to replicas, of one service or of all.
func (s *site) ours(service string) string {
	selector := labelManager + "=" + manager + "," + labelComponent + "=" + componentReplica + ",!" + labelScope
	if s.scope != "" {
		selector = strings.ReplaceAll(selector, "!"+labelScope, labelScope+"="+s.scope)
	}
	if service != "" {
		selector += "," + labelService + "=" + service
	}
	return selector
}
