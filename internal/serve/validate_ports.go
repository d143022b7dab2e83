// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "slices"

// validatePorts checks that there is one port, the same in every entry, for
// traffic to go to. Ports that cannot be read have been reported already.
func (s Spec) validatePorts(es *FieldErrors) {
	if s.Ports != 0 && !validPort(s.Ports) {
		es.add("ports", nil, "Port %d is not between 1 and 65535.", s.Ports)
		return
	}
	alternatives := s.Resources.alternatives()
	if slices.ContainsFunc(alternatives, alternative.hidesPorts) {
		return
	}
	first := 0
	for _, a := range alternatives {
		ranges, _ := ParsePorts(a.Ports)
		path := a.at("ports", a.own.Ports != "")
		related := append(relatedTo(path, "ports"), "ports")
		port := onlyPort(ranges)
		switch {
		case len(ranges) == 0:
			es.add(path, related, "No port is opened for traffic; write the port the server listens on, such as 8080.")
		case s.Ports != 0 && !slices.ContainsFunc(ranges, func(r PortRange) bool { return r.Contains(s.Ports) }):
			es.add(path, related, "The port that is to receive traffic, %d, is not among the open ones, %s.", s.Ports, a.Ports)
		case s.Ports != 0:
		case port == 0:
			es.add(path, related, "Several ports are open, %s; say which of them receives traffic by the service's own ports, outside of resources.", a.Ports)
		case first != 0 && port != first:
			es.add(path, related, "This entry opens port %d and another one %d; open the same, or open both in every entry and choose one by the service's own ports.", port, first)
		}
		if first == 0 {
			first = port
		}
	}
}

// hidesPorts reports whether the ports cannot be read.
func (a alternative) hidesPorts() bool {
	_, err := ParsePorts(a.Ports)
	return err != nil
}
