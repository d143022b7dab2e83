// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// loopbackTries is how many addresses are tried before giving up on there being
// one with the service's port free. More than a few misses mean that someone
// listens on the port on all addresses at once.
const loopbackTries = 8

// allocate finds an address for the machine that no other one has. The caller
// holds the market's lock.
func allocate(ctx context.Context, h home, cfg config, req serve.LaunchRequest) (string, error) {
	records, err := h.records()
	if err != nil {
		return "", err
	}
	used := make(map[string]bool, len(records))
	for _, r := range records {
		used[r.instance.Address] = true
	}
	if cfg.Addressing == addressLoopback && req.Port != 0 {
		address, err := loopback(ctx, h, req, used)
		// Where the port is taken on every address, by a replica that listens on
		// 0.0.0.0 say, a port of its own is still to be had for the replica.
		if !errors.Is(err, syscall.EADDRINUSE) {
			return address, err
		}
	}
	return freePort(ctx, used)
}

// loopback finds an address of 127.0.0.0/8 with the port free. Where it begins
// to look follows from home and replica, so that two homes do not get into each
// other's way although neither knows of the other.
func loopback(ctx context.Context, h home, req serve.LaunchRequest, used map[string]bool) (string, error) {
	hash := fnv.New32a()
	fmt.Fprintf(hash, "%q %q %q %d", string(h), req.Ref.Service, req.Ref.UID, req.Ref.Replica)
	var err error
	for n, tries := hash.Sum32(), 0; tries < loopbackTries; n++ {
		// 1 to 254 in the last two places leaves out networks, broadcasts and
		// 127.0.0.1, which other programs count on.
		host := netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(1 + (n>>8)%254), byte(1 + n%254)})
		address := net.JoinHostPort(host.String(), strconv.Itoa(req.Port))
		if used[address] {
			continue
		}
		if _, err = listen(ctx, address); err == nil {
			return address, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		tries++
	}
	return "", fmt.Errorf("finding an address for port %d: %w", req.Port, err)
}

// listen tries whether an address can be listened at, and gives it as it was
// then, with the port chosen if it was 0.
func listen(ctx context.Context, address string) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// freePort finds a port of 127.0.0.1 that nobody listens on.
func freePort(ctx context.Context, used map[string]bool) (string, error) {
	for {
		address, err := listen(ctx, "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("finding a free port: %w", err)
		}
		if !used[address] {
			return address, nil
		}
	}
}
