// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// metadataPort is where a machine's metadata server listens, at the machine's own
// address.
const metadataPort = "1338"

// start has an instance run on a machine of its own, with the cloud locked.
func (g *GCP) start(i *instance) {
	l, err := machinetest.Settle(metadataPort)
	if err != nil {
		g.broke(i, err)
		return
	}
	i.private = machinetest.Host(l)
	if i.plan.external {
		i.public = i.private
	}
	if i.console == nil {
		i.console = new(machinetest.Console)
	}
	m, err := machinetest.Start(machinetest.Options{
		Hostname: i.plan.name, UserData: []byte(i.startup()), Console: i.console, Fixed: i.plan.disks[0].image.fixed, Ground: &i.ground,
		// What tells about a machine is elsewhere than on one of its own.
		Environ: []string{"GCE_METADATA_HOST=" + l.Addr().String()},
	})
	if err != nil {
		_ = l.Close() // nobody has connected
		g.broke(i, err)
		return
	}
	i.machine = m
	server := &http.Server{Handler: &metadata{gcp: g, instance: i}, ReadHeaderTimeout: time.Minute}
	g.machines.Go(func() { _ = server.Serve(l) }) // it ends by being closed
	if a := g.addressOf(i); a != nil {
		g.lead(a)
	}
	g.machines.Go(func() {
		err := m.Wait()
		_ = server.Close() // whoever still asks is gone
		g.mu.Lock()
		defer g.mu.Unlock()
		g.over(i, err)
	})
}

// over notes that nothing runs on the machine of an instance any more.
func (g *GCP) over(i *instance, err error) {
	now := time.Now()
	i.machine = nil
	i.unplanned()
	if a := g.addressOf(i); a != nil {
		a.way.Part()
	}
	then := i.then
	i.then = nil
	switch {
	case err != nil:
		g.broke(i, fmt.Errorf("%w: %s", err, i.console.Text()))
	case then != nil:
		then(now)
	default:
		// It has shut itself down.
		const kind = "compute.instances.guestTerminate"
		g.halt(i, now, terminated, kind, g.begin(system, kind, i.path(), i.id, now, time.Time{}))
	}
	if !i.held(now) {
		i.ground.Close()
	}
}

// broke notes that a machine did not run as it should, which is the test's trouble and
// nothing that Compute Engine does.
func (g *GCP) broke(i *instance, err error) {
	g.errorf("the machine of instance %s: %v", i.plan.name, err)
	now := time.Now()
	i.reason = "broken"
	i.turns(now, turn{now, terminated})
}

// Console gives what an instance has printed last, which is what its serial port says.
func (g *GCP) Console(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := ""
	for _, i := range g.compute.instances {
		if i.plan.name == name {
			text = i.console.Text() // the last of that name
		}
	}
	return text
}

func getSerialPortOutput(c *call, _ fields) (fields, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	text := i.console.Text()
	start := min(max(c.parameters.Number("start", 0), 0), len(text))
	return fields{
		"kind": "compute#serialPortOutput", "contents": text[start:], "start": start, "next": len(text), "selfLink": link(i.path() + "/serialPort"),
	}, nil
}
