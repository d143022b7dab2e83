// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bootstrap

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// MaxBytes is how large the user data may be at most: EC2 takes no more.
const MaxBytes = 16384

// Dir is where everything is on the machine, unless something else is said.
const Dir = "/opt/serve"

//go:embed receive.py
var receiver string

// unitFile is the service's.
const unitFile = "serve-agent.service"

// start is what the service runs. The program gets its name once it is whole.
const start = `if [ -x ` + Dir + `/agent ]; then exec ` + Dir + `/agent agent --dir ` + Dir + `; fi; exec python3 ` + Dir + `/receive.py`

// unit is the service. What is left of the program when the agent has ended it is
// killed; that the kernel kills the program for want of memory is for the agent to
// tell, and no reason to stop it too.
const unit = `[Unit]
Description=Agent of a replica
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c '` + start + `'
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=30
OOMPolicy=continue
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`

// Config is what a machine has to know before anybody has talked to it. It is
// readable to everyone who may look at the machine's user data.
type Config struct {
	// Cloud says whose metadata service the machine has: "aws", "gcp", or none.
	Cloud string
	// Port is where the machine is to be talked to.
	Port int
	// Program is the digest of the agent's program, "sha256:<hex>".
	Program string
	// Lease is for how long the machine stays when nobody has talked to it.
	Lease time.Duration
	// Dir is where everything is to be on the machine, on one whose files are where
	// others have none; empty is [Dir].
	Dir string
	// Open has the startup script open Port, on a machine that lets nobody in by
	// itself.
	Open bool
	// Controller is the certificate of whoever may talk to the machine, in PEM.
	Controller string
	// Birth is the certificate that the machine shows at first, with its key, in PEM.
	Birth string
}

// file is one that the machine is to have in its directory.
type file struct{ name, permissions, content string }

// files gives what the machine is to have; serve.ErrInvalid when something in c
// cannot be.
func (c Config) files() ([]file, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	machine, err := json.Marshal(map[string]any{
		"cloud": c.Cloud, "port": c.Port, "program": c.Program, "lease_seconds": c.Lease.Seconds(),
	})
	return []file{
		{"machine.json", "0644", string(machine) + "\n"},
		{"controller.pem", "0644", c.Controller},
		{"birth.pem", "0600", c.Birth},
		{"receive.py", "0644", receiver},
		{unitFile, "0644", strings.ReplaceAll(unit, Dir, c.dir())},
	}, err
}

func (c Config) dir() string { return cmp.Or(c.Dir, Dir) }

// UserData gives the user data of a machine, in the form of cloud-init.
// serve.ErrInvalid means that something in c cannot be.
func UserData(c Config) (string, error) {
	files, err := c.files()
	if err != nil {
		return "", fmt.Errorf("making user data: %w", err)
	}
	return cloudConfig(c.dir(), files, unitFile)
}

// cloudConfig has cloud-init write files to a directory and start the service that one
// of them is the unit of.
func cloudConfig(dir string, files []file, unit string) (string, error) {
	var b strings.Builder
	b.WriteString("#cloud-config\nwrite_files:\n")
	for _, f := range files {
		fmt.Fprintf(&b, "  - path: %s\n    permissions: %q\n    content: |\n", dir+"/"+f.name, f.permissions)
		for line := range strings.Lines(f.content) {
			if line = strings.TrimRight(line, "\n"); line != "" {
				line = "      " + line
			}
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("runcmd:\n  - [systemctl, enable, --now, " + dir + "/" + unit + "]\n")
	if b.Len() > MaxBytes {
		return "", fmt.Errorf("making user data: it has %d bytes, and %d are allowed: %w", b.Len(), MaxBytes, serve.ErrInvalid)
	}
	return b.String(), nil
}

// endOfFile is a line that none of the files has.
const endOfFile = "end-of-the-file"

// StartupScript gives the same as UserData as a script, for machines without
// cloud-init whose images run one: Google's of Debian do. It may be run at every
// start of the machine. serve.ErrInvalid means that something in c cannot be.
func StartupScript(c Config) (string, error) {
	files, err := c.files()
	if err != nil {
		return "", fmt.Errorf("making a startup script: %w", err)
	}
	var ports []int
	if c.Open {
		ports = []int{c.Port}
	}
	return script(c.dir(), files, unitFile, ports...), nil
}

// script writes files to a directory, starts the service that one of them is the unit
// of, and opens ports.
func script(dir string, files []file, unit string, ports ...int) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nset -eu\numask 077\nmkdir -p " + dir + "\nchmod 0755 " + dir + "\n")
	for _, f := range files {
		fmt.Fprintf(&b, "cat >%[1]s <<'%[2]s'\n%[3]s%[2]s\nchmod %[4]s %[1]s\n", dir+"/"+f.name, endOfFile, f.content, f.permissions)
	}
	b.WriteString("systemctl enable --now " + dir + "/" + unit + "\n")
	for _, port := range ports {
		rule := fmt.Sprintf("INPUT -p tcp --dport %d -j ACCEPT", port)
		b.WriteString("iptables -w -C " + rule + " 2>/dev/null || iptables -w -A " + rule + "\n")
	}
	return b.String()
}

// check refuses what a machine could do nothing with, and what would not stay
// what it is in a block of YAML.
func (c Config) check() error {
	digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	pem := regexp.MustCompile(`^(-----BEGIN [A-Z ]+-----\n([A-Za-z0-9+/=]+\n)+-----END [A-Z ]+-----\n)+$`)
	switch {
	case c.Cloud != "" && c.Cloud != "aws" && c.Cloud != "gcp":
		return fmt.Errorf("there is no metadata service of cloud %q: %w", c.Cloud, serve.ErrInvalid)
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("there is no port %d: %w", c.Port, serve.ErrInvalid)
	case !digest.MatchString(c.Program):
		return fmt.Errorf("%q is not the digest of a program: %w", c.Program, serve.ErrInvalid)
	case !regexp.MustCompile(`^(/[a-z]+)+$`).MatchString(c.dir()):
		return fmt.Errorf("there can be no directory %q: %w", c.Dir, serve.ErrInvalid)
	case c.Lease < time.Second:
		return fmt.Errorf("a lease of %v: %w", c.Lease, serve.ErrInvalid)
	case !pem.MatchString(c.Controller):
		return fmt.Errorf("the controller's certificate is not in PEM: %w", serve.ErrInvalid)
	case !pem.MatchString(c.Birth):
		return fmt.Errorf("the certificate of a new machine is not in PEM: %w", serve.ErrInvalid)
	}
	return nil
}
