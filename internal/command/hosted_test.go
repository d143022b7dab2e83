// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// hosted is an example whose controller is on the cloud, too.
type hosted struct {
	*example
	cloud    emulation
	endpoint string
}

// parts gives the machine of the controller, and those of the replicas.
func (h *hosted) parts() (controller string, replicas []string) {
	for _, m := range h.cloud.live() {
		if m.controls {
			controller = m.id
		} else {
			replicas = append(replicas, m.id)
		}
	}
	slices.Sort(replicas)
	return controller, replicas
}

// settled reports whether there is the controller, and one replica of each market.
func (h *hosted) settled() bool {
	live := h.cloud.live()
	spot := slices.DeleteFunc(slices.Clone(live), func(m machine) bool { return !m.spot })
	return len(live) == 3 && len(spot) == 1
}

// come applies the example with a secret, and waits until all of it is there.
func (h *hosted) come() {
	h.t.Helper()
	const secret = "a secret that nobody is to find"
	mustDo(h.t, func() error {
		text := fmt.Appendf(nil, "resource \"serve_service\" \"http\" {\n  secrets_wo = { TOKEN = %q }\n}\n", secret)
		return os.WriteFile(filepath.Join(h.dir, "secret_override.tf"), text, 0o600)
	})
	h.must(0, "apply", "-auto-approve")
	h.endpoint = strings.TrimSpace(h.must(0, "output", "-raw", "endpoint"))
	h.must(0, "plan", "-detailed-exitcode")
	h.await("there is one replica of each market", h.settled)
	h.await("the service answers", func() bool { return hello(h.endpoint) == nil })
	h.conceals(secret)
}

// conceals looks for a secret where it has no business: in Terraform's state, and in
// what can be read of machines.
func (h *hosted) conceals(secret string) {
	h.t.Helper()
	state, err := os.ReadFile(filepath.Join(h.dir, "terraform.tfstate"))
	if err != nil || !strings.Contains(string(state), "http-on-"+h.infra) {
		h.t.Errorf("there is no state to look at: %v", err)
	}
	found := h.cloud.readable()
	found["Terraform's state"] = string(state)
	for where, text := range found {
		if strings.Contains(text, secret) {
			h.t.Errorf("the secret is in %s", where)
		}
	}
}

// gap lets something happen to the controller, and gives for how long the service
// has not answered, at most, until it is done.
func (h *hosted) gap(happens func()) time.Duration {
	h.t.Helper()
	stop, over := make(chan struct{}), make(chan time.Duration)
	go func() {
		var longest time.Duration
		last := time.Now()
		for {
			select {
			case <-stop:
				over <- longest
				return
			case <-time.After(20 * time.Millisecond):
			}
			if hello(h.endpoint) == nil {
				longest, last = max(longest, time.Since(last)), time.Now()
			}
		}
	}()
	happens()
	h.await("the service answers", func() bool { return hello(h.endpoint) == nil })
	close(stop)
	return <-over
}

// losePower takes the power from the controller's machine, and waits for the one that
// takes its place. The replicas are to be the same.
func (h *hosted) losePower() (was, now string) {
	h.t.Helper()
	was, replicas := h.parts()
	lost := h.gap(func() {
		h.cloud.end(was)
		h.await("the service does not answer", func() bool { return hello(h.endpoint) != nil })
		h.await("a machine answers", func() bool {
			now, _ = h.parts()
			return now != "" && hello(h.endpoint) == nil
		})
	})
	h.t.Logf("the controller's machine %s lost power, %s took its place: no answer for %v", was, now, lost)
	if _, same := h.parts(); !slices.Equal(same, replicas) {
		h.t.Errorf("the replicas %v became %v", replicas, same)
	}
	h.must(0, "plan", "-detailed-exitcode")
	return was, now
}

// loseSpot takes the spot machine. What a controller decides it decides there, too.
func (h *hosted) loseSpot() {
	h.t.Helper()
	for _, m := range h.cloud.live() {
		if m.spot {
			h.cloud.take(m.id)
			h.await("the machine is gone", func() bool {
				_, all := h.parts()
				return !slices.Contains(all, m.id)
			})
		}
	}
	h.await("there is a spot replica again", h.settled)
}

// upgrade has the controller run another program, on the same machine.
func (h *hosted) upgrade() {
	h.t.Helper()
	on, _ := h.parts()
	lost := h.gap(func() {
		h.renew()
		h.must(0, "apply", "-auto-approve")
	})
	h.t.Logf("the controller runs another program: no answer for %v", lost)
	if still, _ := h.parts(); still != on {
		h.t.Errorf("for another program the machine %s was replaced by %s", on, still)
	}
}

// leave destroys it, and looks for what is left.
func (h *hosted) leave() {
	h.t.Helper()
	h.must(0, "destroy", "-auto-approve")
	if live, left := h.cloud.live(), h.cloud.left(); len(live)+len(left) > 0 {
		h.t.Errorf("there are left: %+v, %v", live, left)
	}
	h.nothingLeft()
}

// renew has Terraform use another program, which does the same, and something to
// apply.
func (h *hosted) renew() {
	h.t.Helper()
	dir := h.t.TempDir()
	mustDo(h.t, func() error {
		from, err := os.Open(h.binary)
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := os.OpenFile(filepath.Join(dir, filepath.Base(h.binary)), os.O_CREATE|os.O_WRONLY, 0o700)
		if err != nil {
			return err
		}
		defer to.Close()
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
		_, err = to.WriteString("\n") // behind the end of what is loaded
		return err
	})
	h.override(dir)
	mustDo(h.t, func() error {
		path := filepath.Join(h.dir, "main.tf")
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed := strings.Replace(string(text), "max_replicas           = 3", "max_replicas           = 4", 1)
		return os.WriteFile(path, []byte(changed), 0o600)
	})
}
