// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is a range of TCP ports, both ends included.
type PortRange struct {
	From, To int
}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port int) bool { return r.From <= port && port <= r.To }

// ParsePorts reads the ports of a [Resource]: "8080", "8080-8090", or several
// of these with commas between. An empty string opens none.
func ParsePorts(s string) ([]PortRange, error) {
	if s == "" {
		return nil, nil
	}
	var ranges []PortRange
	for part := range strings.SplitSeq(s, ",") {
		r, err := parsePortRange(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func parsePortRange(s string) (PortRange, error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.Atoi(strings.TrimSpace(from))
	if err != nil {
		return PortRange{}, notPorts(s)
	}
	last, err := strconv.Atoi(strings.TrimSpace(to))
	switch {
	case err != nil:
		return PortRange{}, notPorts(s)
	case !validPort(first):
		return PortRange{}, fmt.Errorf("port %d is not between 1 and 65535", first)
	case !validPort(last):
		return PortRange{}, fmt.Errorf("port %d is not between 1 and 65535", last)
	case first > last:
		return PortRange{}, fmt.Errorf("the range %s ends before it begins: write %d-%d", s, last, first)
	}
	return PortRange{From: first, To: last}, nil
}

func notPorts(s string) error {
	return fmt.Errorf("%q is neither a port nor a range of ports such as \"8080\" or \"8080-8090\"", s)
}

func validPort(port int) bool { return 1 <= port && port <= 65535 }

// Port is the ingress port: the one that is probed and that receives traffic.
// It is Ports when set, or else the one port that every entry of the resources
// opens; 0 when that cannot be told, which [Spec.Validate] has said why.
func (s Spec) Port() int {
	if s.Ports != 0 {
		return s.Ports
	}
	port := 0
	for _, e := range s.Resources.Entries() {
		ranges, err := ParsePorts(e.Ports)
		p := onlyPort(ranges)
		if err != nil || p == 0 || port != 0 && p != port {
			return 0
		}
		port = p
	}
	return port
}

// onlyPort gives the port that ranges consist of, 0 when it is not just one.
func onlyPort(ranges []PortRange) int {
	port := 0
	for _, r := range ranges {
		if r.From != r.To || port != 0 && r.From != port {
			return 0
		}
		port = r.From
	}
	return port
}
