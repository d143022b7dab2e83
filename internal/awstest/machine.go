// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// start has an instance run on a machine of its own, with AWS locked.
func (a *AWS) start(r *region, i *instance) {
	l, err := machinetest.Settle(metadataPort)
	if err != nil {
		a.broke(i, err)
		return
	}
	host := machinetest.Host(l)
	i.private = host
	if i.public != "" {
		i.public = host
	}
	i.console = new(machinetest.Console)
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
		a.broke(i, fmt.Errorf("%w: %s", err, i.console.Text()))
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

// Console gives what an instance has printed last.
func (a *AWS) Console(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		if i := r.instance(id); i != nil {
			return i.console.Text()
		}
	}
	return ""
}

func getConsoleOutput(c *call, in fields) (fields, error) {
	list, err := c.choose([]string{in.Text("InstanceId")})
	if err != nil {
		return nil, err
	}
	return fields{
		"InstanceId": list[0].id, "Timestamp": c.now, "Output": base64.StdEncoding.EncodeToString([]byte(list[0].console.Text())),
	}, nil
}
