// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// controllersOn gives the processes of a controller on a machine, by its own address.
func controllersOn(t *testing.T, ip string) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range paths {
		line, _ := os.ReadFile(path) // of what may have ended
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && bytes.Contains(line, []byte("\x00gcp-controller\x00")) && bytes.Contains(environ, []byte("GCE_METADATA_HOST="+ip+":")) {
			found = append(found, pid)
		}
	}
	return found
}

// Whatever ends a controller, it comes back where it was: the same client finds it, by
// the same address and with the same certificate.
func TestAControllerOnGCPComesBack(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	o := newOwner(t, &agent.Programs{Own: program, Version: "test"})
	client, err := o.Deploy(t.Context(), "web", serve.DeployOptions{})
	if err != nil {
		t.Fatal(err)
	}
	was, _ := o.host("web")
	answers := func() bool {
		_, err := client.Service(t.Context())
		return errors.Is(err, serve.ErrNotFound) // there is a controller, and no service yet
	}
	await := func(what string, so func() bool) {
		t.Helper()
		for began := time.Now(); !so(); {
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("waited too long until %s; the machine has printed: %s", what, o.gcp.Console(was.Name))
			}
			<-time.After(20 * time.Millisecond)
		}
	}

	first := controllersOn(t, was.PrivateIP)
	if len(first) != 1 {
		t.Fatalf("there are the processes %v", first)
	}
	if err := syscall.Kill(first[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await("there is another process", func() bool {
		now := controllersOn(t, was.PrivateIP)
		return len(now) == 1 && now[0] != first[0] && answers()
	})

	if !o.gcp.Fail(was.Name) {
		t.Fatal("there is no machine")
	}
	await("nobody answers", func() bool { return !answers() })
	await("Compute Engine has started the machine again", func() bool {
		now, ok := o.host("web")
		return ok && now.ID == was.ID && answers()
	})

	o.kill(t, "web")
	if _, err := o.Deploy(t.Context(), "web", serve.DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	if now, _ := o.host("web"); now.ID == was.ID || now.PublicIP != was.PublicIP || !answers() {
		t.Errorf("the machine was %+v, and is %+v", was, now)
	}
	if _, err := o.Destroy(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if left := o.gcp.Books().Left(); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
}
