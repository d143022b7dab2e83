// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// inCluster is the region of a cluster that no context has a name for.
const inCluster = "in-cluster"

// site is where a [Cloud] has its pods.
type site struct {
	*clients
	current
	// scope is whose pods are meant.
	scope string
}

// connector connects on first use. A failure is not remembered: the files it
// was for may be mended.
type connector struct {
	config Config
	scope  func() (string, error)
	shown  serve.CredentialsOf
	// seen names the pods that there were when it was looked last; nil is that nobody
	// looks.
	seen func() map[types.UID]bool
	mu   sync.Mutex
	made *site
}

func (c *connector) connect(ctx context.Context) (*site, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made, nil
	}
	made := &site{}
	keys, err := keyring.Open(ctx, cloudName, c.shown, func(ctx context.Context, text string) (*access, error) {
		a, err := c.access(text)
		if err == nil && made.clients != nil {
			err = c.admitted(ctx, made, a)
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	first := keys.Key()
	made.current = current{Keyring: keys, server: first.server}
	if c.scope != nil {
		if made.scope, err = c.scope(); err != nil {
			return nil, err
		}
	}
	if made.clients, err = first.clients(made.settings()); err != nil {
		return nil, err
	}
	c.made = made
	return made, nil
}

// renew takes in what is given now, if there is a connection. Who connects later is
// given it anyway.
func (c *connector) renew(ctx context.Context) (changed bool, err error) {
	c.mu.Lock()
	s := c.made
	c.mu.Unlock()
	if s == nil {
		return false, nil
	}
	return s.Renew(ctx)
}

func (c *connector) access(text string) (*access, error) {
	config, err := c.config.given(text)
	if err != nil {
		return nil, err
	}
	return config.access()
}

// admitted finds out whether a key lets see what is watched all the time, and whether it
// is one to the same place. In another one all pods would be taken for gone.
func (c *connector) admitted(ctx context.Context, s *site, a *access) error {
	if a.namespace != s.namespace {
		return fmt.Errorf("the kubeconfig leads to the namespace %q, and the pods are in %q: %w", a.namespace, s.namespace, serve.ErrUnauthorized)
	}
	by, err := a.clients(a.settings)
	if err != nil {
		return err
	}
	if _, err := by.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return fmt.Errorf("looking at nodes: %w", meaning(err))
	}
	pods, err := by.typed.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: s.ours("")})
	if err != nil {
		return fmt.Errorf("looking at pods: %w", meaning(err))
	}
	if c.seen == nil {
		return nil
	}
	seen := c.seen()
	if len(seen) > 0 && !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return seen[p.UID] }) {
		return fmt.Errorf("the kubeconfig leads to another cluster, which has none of the pods there are: %w", serve.ErrUnauthorized)
	}
	return nil
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
