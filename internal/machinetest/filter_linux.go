// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"errors"
	"fmt"
	"strconv"
)

// filter does what iptables was called for. Machines share a network, so nothing is
// kept out here, and nothing let in; but what is said is understood, and said again on
// the console.
func (s *system) filter(args []string) error {
	verb, port, err := readRule(args)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb == "C" && !s.open[port] {
		return errors.New("bad rule (does a matching rule exist in that chain?)")
	}
	if verb != "C" {
		s.open[port] = true
		s.say("port %s is open", port)
	}
	return nil
}

// readRule reads what is to be done with which port: A adds it, I does so before all
// others, and C asks whether it is there.
func readRule(args []string) (verb, port string, err error) {
	told := map[string]string{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-w":
			continue
		case "-A", "-I", "-C":
			verb = args[i][1:]
		case "-p", "--dport", "-j":
		default:
			return "", "", fmt.Errorf("%q is not done here", args[i])
		}
		name := args[i]
		if i++; i < len(args) {
			told[name] = args[i]
		}
	}
	port = told["--dport"]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || told["-"+verb] != "INPUT" || told["-p"] != "tcp" || told["-j"] != "ACCEPT" {
		return "", "", errors.New("nothing but to accept what comes to a port of TCP is done here")
	}
	return verb, port, nil
}
