// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"encoding/json"
	"fmt"
	"net"
)

// socket is where the first process is asked, as seen on the machine.
const socket = "/run/machine/socket"

// request is one of the programs with its arguments.
type request struct {
	Program string
	Args    []string
}

// answer is how the program ends.
type answer struct {
	Code int
	Text string
}

// ask asks the machine's first process.
func ask(r request) (answer, error) {
	var a answer
	conn, err := net.Dial("unix", socket) //nolint:noctx // it is on the same machine, and waits for nothing
	if err != nil {
		return a, fmt.Errorf("asking the machine's first process: %w", err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return a, fmt.Errorf("asking the machine's first process: %w", err)
	}
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return a, fmt.Errorf("asking the machine's first process: %w", err)
	}
	return a, nil
}
