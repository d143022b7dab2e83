// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
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
func allocate(h home, cfg config, req serve.LaunchRequest) (string, error) {
	records, err := h.records()
	if err != nil {
		return "", err
	}
	used := make(map[string]bool, len(records))
	for _, r := range records {
		used[r.instance.Address] = true
	}
	if cfg.Addressing == addressLoopback && req.Port != 0 {
		address, err := loopback(h, req, used)
		// Where the port is taken on every address, by a replica that listens on
		// 0.0.0.0 say, a port of its own is still to be had for the replica.
		if !errors.Is(err, syscall.EADDRINUSE) {
			return address, err
		}
	}
	return freePort(used)
}

// loopback finds an address of 127.0.0.0/8 with the port free. Where it begins
// to look follows from home and replica, so that two homes do not get into each
// other's way although neither knows of the other.
func loopback(h home, req serve.LaunchRequest, used map[string]bool) (string, error) {
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
		if err = tryListen(address); err == nil {
			return address, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		tries++
	}
	return "", fmt.Errorf("finding an address for port %d: %w", req.Port, err)
}

func tryListen(address string) error {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// freePort finds a port of 127.0.0.1 that nobody listens on.
func freePort(used map[string]bool) (string, error) {
	for {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("finding a free port: %w", err)
		}
		address := l.Addr().String()
		l.Close()
		if !used[address] {
			return address, nil
		}
	}
}
