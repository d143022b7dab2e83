// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// start has an instance run on a machine of its own, with AWS locked.
func (a *AWS) start(r *region, i *instance) {
	l, err := settle()
	if err != nil {
		a.broke(i, err)
		return
	}
	host, _, _ := net.SplitHostPort(l.Addr().String()) // it was joined a moment ago
	i.private = host
	if i.public != "" {
		i.public = host
	}
	i.console = new(console)
	m, err := machinetest.Start(machinetest.Options{
		Hostname: "ip-" + strings.ReplaceAll(host, ".", "-"), UserData: []byte(i.plan.userData), Console: i.console,
		Environ: []string{
			// AWS is elsewhere than on a machine of its own, and so is what tells about it.
			"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://" + l.Addr().String(), "AWS_ENDPOINT_URL=" + a.Endpoint(),
		},
	})
	if err != nil {
		_ = l.Close() // nobody has connected
		a.broke(i, err)
		return
	}
	i.machine = m
	server := &http.Server{Handler: &metadata{aws: a, region: r, instance: i, tokens: map[string]time.Time{}}, ReadHeaderTimeout: time.Minute}
	a.machines.Go(func() { _ = server.Serve(l) }) // it ends by being closed
	a.machines.Go(func() {
		err := m.Wait()
		_ = server.Close() // whoever still asks is gone
		a.mu.Lock()
		defer a.mu.Unlock()
		a.over(i, err)
	})
}

// over notes that nothing runs on the machine of an instance any more.
func (a *AWS) over(i *instance, err error) {
	now := time.Now()
	i.machine = nil
	i.unplanned()
	switch {
	case err != nil:
		a.broke(i, fmt.Errorf("%w: %s", err, i.console.text()))
	case !i.ends.IsZero() && !i.ends.After(now):
		if i.gone.IsZero() {
			i.gone = now
		}
	case i.plan.stopsOnHalt:
		i.stops = now
	default:
		i.reason, i.ends, i.gone = selfEnds(), now, now
	}
	for _, r := range a.regions {
		for _, e := range r.addresses {
			if e.instance == i && !i.held(now) {
				a.part(e)
			}
		}
	}
}

// broke notes that a machine did not run as it should, which is the test's trouble
// and nothing that EC2 does.
func (a *AWS) broke(i *instance, err error) {
	a.errorf("the machine of instance %s: %v", i.id, err)
	now := time.Now()
	i.reason, i.ends, i.gone = failedEnds(), now, now
}

// metadataPort is where a machine's metadata service listens, at the machine's own
// address.
const metadataPort = "1338"

// settle takes an address of loopback for a machine: it is its own for as long as
// nobody else can listen there. Several test binaries choose at the same time, so
// they do not begin at the same place.
func settle() (net.Listener, error) {
	var err error
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)) //nolint:gosec // it is no secret
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(address, metadataPort)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("finding an address: %w", err)
}

// consoleSize is how much of what a machine has printed EC2 keeps.
const consoleSize = 64 << 10

// console is what a machine has printed.
type console struct {
	mu   sync.Mutex
	last []byte
}

// Write implements [io.Writer].
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(c.last, p...)
	c.last = c.last[max(0, len(c.last)-consoleSize):]
	return len(p), nil
}

func (c *console) text() string {
	if c == nil {
		return "" // of an instance that is a record
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.last)
}

// Console gives what an instance has printed last.
func (a *AWS) Console(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		if i := r.instance(id); i != nil {
			return i.console.text()
		}
	}
	return ""
}

func getConsoleOutput(c *call, in fields) (fields, error) {
	list, err := c.choose([]string{in.text("InstanceId")})
	if err != nil {
		return nil, err
	}
	return fields{
		"InstanceId": list[0].id, "Timestamp": c.now, "Output": base64.StdEncoding.EncodeToString([]byte(list[0].console.text())),
	}, nil
}
