// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// way is how a replica is reached whose cloud has a way of its own to its machines;
// see [serve.Dialer]. Balancers are told of it in JSON, so that also one in another
// process finds the replica, if it has the same clouds.
type way struct {
	Cloud string `json:"cloud"`
	serve.Ref
}

// way gives how the replica is reached, empty if plainly.
func (l *loop) way(r *serve.Replica) string {
	cloud := r.Offer.Location.Cloud
	if _, ok := l.cloud(cloud).(serve.Dialer); !ok {
		return ""
	}
	text, err := json.Marshal(way{cloud, l.ref(r.ID)})
	if err != nil {
		panic(err) // texts and numbers can always be written
	}
	return string(text)
}

// Dial gives what connects to replicas, in the way that their clouds have.
func Dial(clouds []serve.Cloud) balancer.Dial {
	return func(ctx context.Context, text, address string) (net.Conn, error) {
		if text == "" {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
		var w way
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			return nil, fmt.Errorf("reading the way to a replica: %w", err)
		}
		for _, cloud := range clouds {
			if dialer, ok := cloud.(serve.Dialer); ok && cloud.Name() == w.Cloud {
				return dialer.Dial(ctx, w.Ref, address)
			}
		}
		return nil, fmt.Errorf("there is no way to replica %d in the cloud %q from here: %w", w.Replica, w.Cloud, serve.ErrUnreachable)
	}
}
