// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
)

// listen answers, for as long as the machine lasts.
func (s *system) listen() error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening to the machine's programs: %w", err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				s.say("listening to the machine's programs: %v", err)
				return
			}
			go s.attend(conn)
		}
	}()
	return nil
}

func (s *system) attend(conn net.Conn) {
	defer conn.Close()
	var r request
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return // it went away
	}
	a := answer{}
	if err := s.obey(r); err != nil {
		a = answer{Code: 1, Text: fmt.Sprintf("%s %q: %v", r.Program, r.Args, err)}
		s.say("%s", a.Text)
	}
	_ = json.NewEncoder(conn).Encode(a) // to whoever is still there
}

// obey does what a program was called for.
func (s *system) obey(r request) error {
	if r.Program == "systemctl" {
		return s.control(r.Args)
	}
	if r.Program == "iptables" || r.Program == "ip6tables" {
		return s.filter(r.Args)
	}
	if r.Program == "reboot" {
		return errors.New("machines here do not come back")
	}
	for _, arg := range r.Args {
		switch arg {
		case "-h", "-P", "-p", "-f", "now":
		default:
			return fmt.Errorf("%q is not done here", arg)
		}
	}
	s.powerOff()
	return nil
}

// control does what systemctl was called for.
func (s *system) control(args []string) error {
	var names []string
	now := false
	for _, arg := range args {
		if arg == "--now" {
			now = true
		} else if !strings.HasPrefix(arg, "-") {
			names = append(names, arg)
		} else if arg != "--quiet" && arg != "-q" {
			return fmt.Errorf("%q is not done here", arg)
		}
	}
	if len(names) == 0 {
		return errors.New("it is not said what to do")
	}
	verb := names[0]
	if verb == "poweroff" || verb == "daemon-reload" {
		if verb == "poweroff" {
			s.powerOff()
		}
		return nil
	}
	for _, name := range names[1:] {
		if err := s.controlOne(verb, name, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) controlOne(verb, name string, now bool) error {
	switch verb {
	case "enable":
		if err := s.install(name); err != nil || !now {
			return err
		}
		return s.startUnit(name)
	case "start":
		return s.startUnit(name)
	case "stop":
		s.stopUnit(name)
		return nil
	case "restart":
		s.stopUnit(name)
		return s.startUnit(name)
	case "is-active":
		if !s.active(name) {
			return errors.New("inactive")
		}
		return nil
	}
	return fmt.Errorf("%q is not done here", verb)
}
