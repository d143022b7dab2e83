// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unit is what a service manager is told of a service.
type unit struct {
	start       []string
	again       bool // started again whenever it ends
	pause       time.Duration
	stopTimeout time.Duration
	killMode    string
}

// readUnit understands the file of a service, and refuses what would be done
// otherwise here than by systemd.
func readUnit(text string) (unit, error) {
	// The defaults of systemd.
	u := unit{pause: 100 * time.Millisecond, stopTimeout: 90 * time.Second, killMode: "control-group"}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", line[0] == '#', line[0] == ';':
		case line[0] == '[':
			section = line
		default:
			if err := u.set(section, line); err != nil {
				return u, fmt.Errorf("the line %q: %w", line, err)
			}
		}
	}
	if len(u.start) == 0 {
		return u, errors.New("it starts nothing")
	}
	if u.killMode != "mixed" {
		return u, fmt.Errorf("the KillMode %q is not done here, only mixed is", u.killMode)
	}
	return u, nil
}

// set takes one line of a section.
func (u *unit) set(section, line string) error {
	key, value, ok := strings.Cut(line, "=")
	if !ok {
		return errors.New("it is no setting")
	}
	var err error
	switch section + key {
	case "[Service]ExecStart":
		u.start, err = splitCommand(value)
	case "[Service]Restart":
		u.again = value == "always"
		if value != "always" && value != "no" {
			err = fmt.Errorf("services are not restarted %q here", value)
		}
	case "[Service]RestartSec":
		u.pause, err = readSeconds(value)
	case "[Service]TimeoutStopSec":
		u.stopTimeout, err = readSeconds(value)
	case "[Service]KillMode":
		u.killMode = value
	case "[Unit]Description", "[Unit]Wants", "[Unit]After", "[Unit]StartLimitIntervalSec",
		"[Service]LimitNOFILE", "[Service]OOMPolicy", "[Install]WantedBy":
		// Nothing of these is seen here: the machine is up already, and has no limits
		// of its own.
	default:
		err = errors.New("it is not done here")
	}
	return err
}

func readSeconds(value string) (time.Duration, error) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return 0, errors.New("it must be a number of seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// splitCommand takes a command line apart as systemd does, which is not a shell.
// Quotes are known, but neither variables nor specifiers nor backslashes.
func splitCommand(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var word string
		quote := rest[:1]
		if quote == "'" || quote == `"` {
			var ok bool
			if word, rest, ok = strings.Cut(rest[1:], quote); !ok {
				return nil, errors.New("a quote is not closed")
			}
		} else {
			word, rest, _ = strings.Cut(rest, " ")
		}
		if strings.ContainsAny(word, `$%\`) {
			return nil, fmt.Errorf("%q has what systemd would replace", word)
		}
		words = append(words, word)
	}
	return words, nil
}
