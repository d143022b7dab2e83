// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadata is the server that an instance asks about itself.
type metadata struct {
	gcp      *GCP
	instance *instance
}

// The header that whoever asks must send, so that nobody can be made to, and that every
// answer has.
const (
	flavorHeader = "Metadata-Flavor"
	flavor       = "Google"
)

// ServeHTTP implements [http.Handler].
func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(flavorHeader, flavor)
	w.Header().Set("Server", "Metadata Server for VM")
	path, ok := strings.CutPrefix(r.URL.Path, "/computeMetadata/v1/")
	switch {
	case r.URL.Path == "/":
		_, _ = w.Write([]byte("computeMetadata/\n")) // by which a machine knows where it is
	case r.Header.Get(flavorHeader) != flavor || r.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "Missing Metadata-Flavor:Google header, or asked by way of a proxy.", http.StatusForbidden)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !ok:
		http.NotFound(w, r)
	case strings.HasSuffix(path, "/token"):
		m.token(w, r, path)
	default:
		m.tell(w, r, path)
	}
}

// told is an answer of the server.
type answered struct {
	kind, text, tag string
	directory       bool
}

// tell tells what is at a path, when it has become something else if that is asked for.
func (m *metadata) tell(w http.ResponseWriter, r *http.Request, path string) {
	query := r.URL.Query()
	known := query.Get("last_etag")
	var timeout <-chan time.Time
	if seconds, err := strconv.Atoi(query.Get("timeout_sec")); err == nil && seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	for first := true; ; first = false {
		a, changed, ok := m.look(path, query.Get("recursive") == "true", query.Get("alt"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		if a.directory && !strings.HasSuffix(path, "/") && path != "" {
			http.Redirect(w, r, "/computeMetadata/v1/"+path+"/", http.StatusMovedPermanently)
			return
		}
		if first && known == "" {
			known = a.tag
		}
		if query.Get("wait_for_change") == "true" && a.tag == known {
			select {
			case <-changed:
				continue
			case <-timeout:
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("ETag", a.tag)
		_, _ = w.Write([]byte(a.text)) // whoever has gone needs no answer
		return
	}
}

// look looks at what is at a path, and gives what is closed when that may change.
func (m *metadata) look(path string, recursive bool, form string) (answered, <-chan struct{}, bool) {
	m.gcp.mu.Lock()
	defer m.gcp.mu.Unlock()
	var at any = m.facts()
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		switch v := at.(type) {
		case fields:
			at = v[part]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(v) {
				return answered{}, nil, false
			}
			at = v[n]
		default:
			at = nil
		}
	}
	if at == nil {
		return answered{}, nil, false
	}
	_, leaf := at.(string)
	a := answered{kind: "application/text", directory: !leaf && !recursive}
	switch {
	case recursive && form != "text" || form == "json":
		a.kind = "application/json"
		b, _ := json.Marshal(camel(at, "")) // texts can always be written
		a.text, a.directory = string(b), false
	case leaf:
		a.text, _ = at.(string)
	default:
		a.text = names(at)
	}
	a.tag = fmt.Sprintf("%016x", idOf(a.text))
	return a, m.instance.waiting, true
}

// names lists what is in a directory.
func names(at any) string {
	var out strings.Builder
	line := func(name string, v any) {
		if _, leaf := v.(string); !leaf {
			name += "/"
		}
		out.WriteString(name + "\n")
	}
	switch v := at.(type) {
	case fields:
		for _, name := range sortedKeys(v) {
			line(name, v[name])
		}
	case []any:
		for n, e := range v {
			line(strconv.Itoa(n), e)
		}
	}
	return out.String()
}

// camel writes names as they are in JSON, which is another way than in paths. Those of
// attributes are their owners'.
func camel(at any, under string) any {
	switch v := at.(type) {
	case fields:
		out := map[string]any{}
		for name, e := range v {
			if under != "attributes" && under != "serviceAccounts" {
				parts := strings.Split(name, "-")
				for i, p := range parts[1:] {
					parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
				}
				name = strings.Join(parts, "")
			}
			out[name] = camel(e, name)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, camel(e, under))
		}
		return out
	}
	return at
}

// facts is all that the server tells at a moment.
func (m *metadata) facts() fields {
	i, p := m.instance, m.instance.plan
	number := "projects/" + ProjectNumber
	attributes := fields{}
	for _, item := range i.items {
		attributes[item.key] = item.value
	}
	nic := fields{
		"ip": i.private, "mac": "42:01:0a:8e:00:02", "network": number + "/networks/" + networkName, "mtu": "1460",
		"gateway": subnetBlock(regionOf(p.zone)) + ".0.1", "subnetmask": "255.255.240.0", "access-configs": []any{},
	}
	if p.external {
		nic["access-configs"] = []any{fields{"external-ip": m.gcp.reached(i), "type": "ONE_TO_ONE_NAT"}}
	}
	accounts := fields{}
	if p.account != "" {
		a := fields{"aliases": "default\n", "email": p.account, "scopes": strings.Join(p.scopes, "\n") + "\n"}
		accounts["default"], accounts[p.account] = a, a
	}
	tags, _ := json.Marshal(slices.Concat([]string{}, p.tags)) // texts can always be written
	return fields{
		"project": fields{"project-id": Project, "numeric-project-id": ProjectNumber, "attributes": fields{}},
		"instance": fields{
			"id": strconv.FormatUint(i.id, 10), "name": p.name, "description": p.description, "zone": number + "/zones/" + p.zone,
			"hostname":     p.name + "." + p.zone + ".c." + Project + ".internal",
			"machine-type": number + "/machineTypes/" + p.kind.name, "image": p.disks[0].image.path(), "cpu-platform": "Intel Broadwell",
			"tags": string(tags), "preempted": strings.ToUpper(strconv.FormatBool(!i.preempted.IsZero())), "maintenance-event": "NONE",
			"scheduling": fields{
				"automatic-restart": strings.ToUpper(strconv.FormatBool(p.restarts)), "on-host-maintenance": p.maintenance,
				"preemptible": strings.ToUpper(strconv.FormatBool(p.market == Spot)),
			},
			"attributes": attributes, "network-interfaces": []any{nic}, "service-accounts": accounts,
			"disks": []any{fields{"device-name": p.disks[0].device, "index": "0", "mode": "READ_WRITE", "type": "PERSISTENT", "interface": "SCSI"}},
		},
	}
}

// token gives a token for the service account that the instance has.
func (m *metadata) token(w http.ResponseWriter, r *http.Request, path string) {
	m.gcp.mu.Lock()
	defer m.gcp.mu.Unlock()
	p := m.instance.plan
	name := strings.TrimSuffix(strings.TrimPrefix(path, "instance/service-accounts/"), "/token")
	if a := m.gcp.accounts[p.account]; p.account == "" || a == nil || name != "default" && name != p.account {
		http.NotFound(w, r)
		return
	}
	body, _ := json.Marshal(map[string]any{ // texts can always be written
		"access_token": m.gcp.grant(p.account, p.scopes, time.Now().Add(tokensLast)),
		"expires_in":   int(tokensLast.Seconds()) - 1, "token_type": "Bearer",
	})
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // whoever has gone needs no answer
}
