// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// inCluster is the region of a cluster that no context has a name for.
const inCluster = "in-cluster"

// site is where a [Cloud] has its pods.
type site struct {
	*clients
	// scope is whose pods are meant.
	scope string
}

// connector connects on first use. A failure is not remembered: the files it
// was for may be mended.
type connector struct {
	config Config
	scope  func() (string, error)
	shown  serve.CredentialsOf
	mu     sync.Mutex
	made   *site
}

func (c *connector) connect(ctx context.Context) (*site, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made, nil
	}
	config, err := c.config.shown(ctx, c.shown)
	if err != nil {
		return nil, err
	}
	clients, err := connect(config)
	if err != nil {
		return nil, err
	}
	made := &site{clients: clients}
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
