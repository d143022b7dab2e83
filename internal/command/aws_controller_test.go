// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// hosted is an AWS that has a controller and its service.
type hosted struct {
	*amazonian
	cloud    *awstest.AWS
	endpoint string
}

// parts gives the instance of the controller, and those of the replicas.
func (h *hosted) parts() (controller string, replicas []string) {
	for _, i := range h.cloud.Books().Live() {
		if i.Tags["serve-infra:controller"] != "" {
			controller = i.ID
		} else {
			replicas = append(replicas, i.ID)
		}
	}
	slices.Sort(replicas)
	return controller, replicas
}

// remains names everything that there is.
func (h *hosted) remains() []string {
	b := h.cloud.Books()
	var all []string
	for what, n := range map[string]int{
		"instances": len(b.Live()), "volumes": len(b.Volumes), "security groups": len(b.Groups), "launch templates": len(b.Templates),
		"addresses": len(b.Addresses), "Auto Scaling groups": len(b.Scaling), "instance profiles": len(b.Profiles), "buckets": len(b.Buckets),
	} {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	return all
}

// conceals looks for a secret where it has no business: in Terraform's state, and in
// what can be read of instances.
func (h *hosted) conceals(secret string) {
	h.t.Helper()
	state, err := os.ReadFile(filepath.Join(h.dir, "terraform.tfstate"))
	if err != nil || !strings.Contains(string(state), "http-on-aws") {
		h.t.Errorf("there is no state to look at: %v", err)
	}
	found := map[string]string{"Terraform's state": string(state)}
	for _, i := range h.cloud.Books().Live() {
		data, err := base64.StdEncoding.DecodeString(i.UserData)
		if err != nil {
			data = []byte(i.UserData)
		}
		found["the user data of "+i.ID] = string(data)
		found["the tags of "+i.ID] = fmt.Sprint(i.Tags)
		found["the console of "+i.ID] = h.cloud.Console(i.ID)
	}
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

// The example with a controller on AWS, as it stands: everything is made by a role
// that may do what the policies say, the controller's machine may do what its own
// role says, and when it loses power another takes its place, with the same address
// and the same replicas. In the end there is nothing.
func TestAccAControllerOnAWS(t *testing.T) {
	a, cloud := emulatedExample(t, "aws_controller", awstest.Options{Machines: true, Ports: controllerPorts()})
	a.confine(cloud, "aws", "aws_controller")
	h := &hosted{amazonian: a, cloud: cloud}
	const secret = "a secret that nobody is to find"
	mustDo(t, func() error {
		text := fmt.Appendf(nil, "resource \"serve_service\" \"http\" {\n  secrets_wo = { TOKEN = %q }\n}\n", secret)
		return os.WriteFile(filepath.Join(a.dir, "secret_override.tf"), text, 0o600)
	})
	before := len(cloud.Books().Roles)
	a.must(0, "apply", "-auto-approve")
	h.endpoint = strings.TrimSpace(a.must(0, "output", "-raw", "endpoint"))
	a.must(0, "plan", "-detailed-exitcode")
	settled := func() bool {
		live := cloud.Books().Live()
		spot := slices.DeleteFunc(slices.Clone(live), func(i awstest.Instance) bool { return i.Market != awstest.Spot })
		return len(live) == 3 && len(spot) == 1
	}
	a.await("there is one replica of each market", settled)
	a.await("the service answers", func() bool { return hello(h.endpoint) == nil })
	h.conceals(secret)

	was, replicas := h.parts()
	lost := h.gap(func() {
		cloud.Kill(was)
		a.await("another machine answers", func() bool {
			now, _ := h.parts()
			return now != "" && now != was && hello(h.endpoint) == nil
		})
	})
	now, same := h.parts()
	t.Logf("the controller's machine %s lost power, %s took its place: no answer for %v", was, now, lost)
	if !slices.Equal(same, replicas) {
		t.Errorf("the replicas %v became %v", replicas, same)
	}
	a.must(0, "plan", "-detailed-exitcode")

	// What a controller decides it decides there, too.
	for _, i := range cloud.Books().Live() {
		if i.Market == awstest.Spot {
			cloud.Interrupt(i.ID, 5*time.Second)
			a.await("the instance is gone", func() bool {
				_, all := h.parts()
				return !slices.Contains(all, i.ID)
			})
		}
	}
	a.await("there is a spot replica again", settled)

	lost = h.gap(func() {
		h.upgrade()
		a.must(0, "apply", "-auto-approve")
	})
	t.Logf("the controller runs another program: no answer for %v", lost)
	if still, _ := h.parts(); still != now {
		t.Errorf("for another program the machine %s was replaced by %s", now, still)
	}
	a.must(0, "destroy", "-auto-approve")
	if left := h.remains(); len(left) > 0 || len(cloud.Books().Roles) != before {
		t.Errorf("there are left: %v, and roles %v", left, cloud.Books().Roles)
	}
	a.nothingLeft()
}

// upgrade has Terraform use another program, which does the same, and something to
// apply.
func (h *hosted) upgrade() {
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
