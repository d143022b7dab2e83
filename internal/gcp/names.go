// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// longest is how long a name or the value of a label may be.
const longest = 63

// hashed is how much of a hash there is in a name.
const hashed = 10

// named gives a name that Compute Engine takes: of what it is about, as much of it as
// there is room for, and a hash of all that it is made of.
func named(about, end string, parts ...string) string {
	about = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(about), "-")
	if room := longest - len("serve-") - len(end) - len("-") - hashed; len(about) > room {
		about = about[:room]
	}
	return "serve-" + strings.Trim(about, "-") + end + "-" + fleet.Token(parts...)[:hashed]
}

// uidHashed is how much of the hash of a UID there is in the name of an instance.
const uidHashed = 6

// instanceName is what the instance of a replica is called. That it is one name is why
// there are never two. It ends as those of all instances of the service do, and no other
// service's.
func (j *joined) instanceName(ref serve.Ref) string {
	end := "-" + strconv.FormatInt(ref.Replica, 10) + "-" + fleet.Token(ref.UID)[:uidHashed]
	return named(ref.Service, end, j.scope, ref.Service)
}

// nameEnd is how the names of the instances of a service end.
func nameEnd(scope, service string) string { return "-" + fleet.Token(scope, service)[:hashed] }

// networkTag is what the instances of a service have for its firewall rule.
func (j *joined) networkTag(service string) string { return named(service, "", j.scope, service) }

// firewallName is what the rule of a service is called in a network.
func (j *joined) firewallName(service, network string) string {
	return named(service, "", j.scope, service, network)
}

// labelled gives a text as a label can have it: itself, or with a hash where something
// had to be left out.
func labelled(text string) string {
	if regexp.MustCompile(`^[a-z0-9_-]{0,63}$`).MatchString(text) {
		return text
	}
	kept := regexp.MustCompile(`[^a-z0-9_-]+`).ReplaceAllString(strings.ToLower(text), "-")
	if room := longest - len("-") - hashed; len(kept) > room {
		kept = kept[:room]
	}
	return kept + "-" + fleet.Token(text)[:hashed]
}

// requestID gives a new id for a request: a UUID, as Compute Engine wants it. The same
// request is made again with the same id, and is then answered with what came of it
// before, be that a failure. So there is another one for every time that something is
// wanted anew; that there are never two of an instance is for its name to see to.
func requestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
