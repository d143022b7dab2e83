// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

const (
	// firstProgram is what the test binary is called as a machine's first process.
	firstProgram = "machine-init"
	// readied is the variable that says that the test binary knows how to be one.
	readied = "MACHINETEST_READY"
)

// programs are what the test binary is called when it is run on a machine.
func programs() []string {
	return []string{"systemctl", "shutdown", "poweroff", "halt", "reboot", "iptables", "ip6tables"}
}

// Be reports whether this process is to be part of a machine, after it was just
// that. It is the first thing that a TestMain does.
func Be() bool {
	name := filepath.Base(os.Args[0])
	switch {
	case name == firstProgram:
		beFirst()
	case slices.Contains(programs(), name):
		beProgram(name)
	default:
		_ = os.Setenv(readied, "yes") // the name is a good one
		return false
	}
	return true
}

// beProgram asks the first process, and ends as it says.
func beProgram(name string) {
	said, err := ask(request{Program: name, Args: os.Args[1:]})
	if err != nil {
		said = answer{Code: 1, Text: err.Error()}
	}
	if said.Text != "" {
		fmt.Fprintln(os.Stderr, said.Text)
	}
	os.Exit(said.Code) //nolint:forbidigo // this process is systemctl, and its code its answer
}

// birth is what a machine's first process is told.
type birth struct {
	Hostname string
	Environ  []string
	UserData []byte
	Fixed    bool
	Again    bool // on ground that was laid before
}

func readBirth(r io.Reader) (birth, error) {
	var b birth
	if err := json.NewDecoder(r).Decode(&b); err != nil {
		return b, fmt.Errorf("reading what the machine is to be: %w", err)
	}
	return b, nil
}
