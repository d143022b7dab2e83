// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadata is the service that an instance asks about itself, in its second
// version: with a token, unless the instance may do without.
type metadata struct {
	aws      *AWS
	region   *region
	instance *instance
	tokens   map[string]time.Time // and until when they are good
}

// The headers of the service.
const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	spanHeader  = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// ServeHTTP implements [http.Handler].
func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.aws.mu.Lock()
	defer m.aws.mu.Unlock()
	now := time.Now()
	w.Header().Set("Content-Type", "text/plain")
	if m.instance.plan.mute {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.URL.Path == "/latest/api/token" {
		m.give(w, r, now)
		return
	}
	token := r.Header.Get(tokenHeader)
	if until, ok := m.tokens[token]; !(ok && now.Before(until)) && (token != "" || m.instance.plan.tokens == "required") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	// The first part of a path is a version, of which "latest" is one.
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	text, ok := tell(m.facts(now), path)
	switch {
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !ok:
		http.NotFound(w, r)
	default:
		_, _ = w.Write([]byte(text)) // whoever has gone needs no answer
	}
}

// give gives a token. Whoever asks by way of a proxy gets none.
func (m *metadata) give(w http.ResponseWriter, r *http.Request, now time.Time) {
	seconds, err := strconv.Atoi(r.Header.Get(spanHeader))
	switch {
	case r.Method != http.MethodPut:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Header.Get("X-Forwarded-For") != "":
		w.WriteHeader(http.StatusForbidden)
	case err != nil || seconds < 1 || seconds > 21600:
		w.WriteHeader(http.StatusBadRequest)
	default:
		token := "token-" + hex16(m.aws.random.Uint64())
		m.tokens[token] = now.Add(time.Duration(seconds) * time.Second)
		w.Header().Set(spanHeader, strconv.Itoa(seconds))
		_, _ = w.Write([]byte(token)) // whoever has gone needs no answer
	}
}

// tell gives the text at a path, or what is below it.
func tell(facts map[string]string, path string) (string, bool) {
	if text, ok := facts[path]; ok {
		return text, true
	}
	dir := strings.TrimSuffix(path, "/") + "/"
	var names []string
	for _, fact := range sortedKeys(facts) {
		below, ok := strings.CutPrefix(fact, dir)
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(below, "/")
		if deeper {
			name += "/"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "\n"), len(names) > 0
}

// facts is all that the service tells at a moment.
func (m *metadata) facts(now time.Time) map[string]string {
	i := m.instance
	lifeCycle := OnDemand
	if i.spot != nil {
		lifeCycle = Spot
	}
	var groups []string
	for _, id := range i.plan.groups {
		if g := m.region.group(id); g != nil {
			groups = append(groups, g.name)
		}
	}
	facts := map[string]string{
		"ami-id": i.plan.image.id, "ami-launch-index": strconv.Itoa(i.index), "instance-id": i.id, "instance-type": i.plan.kind.name,
		"instance-life-cycle": lifeCycle, "local-ipv4": i.private, "reservation-id": i.reservation,
		"local-hostname":              "ip-" + strings.ReplaceAll(i.private, ".", "-") + ".ec2.internal",
		"hostname":                    "ip-" + strings.ReplaceAll(i.private, ".", "-") + ".ec2.internal",
		"placement/availability-zone": i.zone.name, "placement/availability-zone-id": i.zone.id, "placement/region": m.region.name,
		"security-groups": strings.Join(groups, "\n"), "services/domain": "amazonaws.com", "services/partition": "aws",
	}
	if i.reached() != "" {
		facts["public-ipv4"] = i.reached()
	}
	if i.plan.metadataTags == "enabled" {
		for key, value := range i.tags.at(now) {
			facts["tags/instance/"+key] = value
		}
	}
	m.role(facts, now)
	m.warnings(facts)
	out := map[string]string{"dynamic/instance-identity/document": m.document()}
	for name, text := range facts {
		out["meta-data/"+name] = text
	}
	if len(i.plan.userData) > 0 {
		out["user-data"] = i.plan.userData
	}
	return out
}

// role adds the role that the instance has, with an access key for it.
func (m *metadata) role(facts map[string]string, now time.Time) {
	i := m.instance
	p := i.plan.profile
	if p == nil {
		return
	}
	stamp := now.UTC().Format("2006-01-02T15:04:05Z")
	facts["iam/info"] = written(map[string]string{
		"Code": "Success", "LastUpdated": stamp, "InstanceProfileArn": p.arn(), "InstanceProfileId": p.id,
	})
	if p.role == nil {
		return
	}
	if !p.role.trust.trusts("ec2.amazonaws.com") {
		facts["iam/security-credentials/"+p.role.name] = written(map[string]string{
			"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": stamp,
			"Message": "EC2 cannot assume the role " + p.role.name + ". Please see documentation at https://docs.aws.amazon.com/",
		})
		return
	}
	if i.session.Role != p.role.arn() {
		i.session = m.aws.begin(Session{Role: p.role.arn(), Name: i.id})
	}
	facts["iam/security-credentials/"+p.role.name] = written(map[string]string{
		"Code": "Success", "LastUpdated": stamp, "Type": "AWS-HMAC", "AccessKeyId": i.session.Key, "SecretAccessKey": SecretKey,
		"Token": i.session.token(), "Expiration": now.Add(6 * time.Hour).UTC().Format("2006-01-02T15:04:05Z"),
	})
}

func written(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ") // texts can always be written
	return string(b)
}

// warnings adds what there is only when the end of the instance is near, or where a
// group decides on it.
func (m *metadata) warnings(facts map[string]string) {
	if m.instance.template != nil {
		facts["autoscaling/target-lifecycle-state"] = "InService"
		if m.instance.leaving {
			facts["autoscaling/target-lifecycle-state"] = "Terminated"
		}
	}
	const form = "2006-01-02T15:04:05Z"
	if at := m.instance.interrupt; !at.IsZero() {
		facts["spot/instance-action"] = `{"action": "terminate", "time": "` + at.UTC().Format(form) + `"}`
		facts["spot/termination-time"] = at.UTC().Format(form)
	}
	if at := m.instance.rebalance; !at.IsZero() {
		facts["events/recommendations/rebalance"] = `{"noticeTime":"` + at.UTC().Format(form) + `"}`
	}
}

// document is what an instance shows of itself to others, without the signature.
func (m *metadata) document() string {
	i := m.instance
	return written(map[string]string{
		"accountId": Account, "architecture": i.plan.kind.arch, "availabilityZone": i.zone.name, "imageId": i.plan.image.id,
		"instanceId": i.id, "instanceType": i.plan.kind.name, "pendingTime": i.launched.UTC().Format("2006-01-02T15:04:05Z"),
		"privateIp": i.private, "region": m.region.name, "version": "2017-09-30",
	})
}
