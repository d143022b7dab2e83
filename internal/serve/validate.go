// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The bounds of what is accepted. They keep a typing mistake from costing a
// fortune, and arithmetic on durations and counts from overflowing; no real
// service comes near them.
const (
	maxName     = 63
	maxReplicas = 10_000
	maxSeconds  = 1e9
	minSeconds  = 1e-3
)

// Validate gives everything wrong with the spec, in the order of its fields. A
// rule that builds on a broken one is passed over, so that one mistake is one
// error.
func (s Spec) Validate() FieldErrors {
	var es FieldErrors
	s.validateName(&es)
	s.ReadinessProbe.validate(&es)
	s.ReplicaPolicy.validate(&es)
	s.validateBalancing(&es)
	s.validateUpdate(&es)
	s.TLS.validate(&es)
	s.Resources.validate(&es)
	s.validateMarkets(&es)
	s.validatePorts(&es)
	s.Task.validate(&es)
	return es.distinct()
}

func (s Spec) validateName(es *FieldErrors) {
	const rule = "a name begins with a letter, ends with a letter or digit, and has letters, digits, \"-\", \"_\" and \".\" between"
	switch name := s.Name; {
	case name == "":
		es.add("name", nil, "The service has no name; %s.", rule)
	case len(name) > maxName:
		es.add("name", nil, "The name has %d characters; at most %d are allowed.", len(name), maxName)
	case !isLetter(rune(name[0])) || !isAlphanumeric(rune(name[len(name)-1])) || !consistsOf(name, isNameRune):
		es.add("name", nil, "%q is not a name: %s.", name, rule)
	}
}

// validateBalancing checks how the endpoint spreads requests.
func (s Spec) validateBalancing(es *FieldErrors) {
	s.LoadBalancer.validate(es)
	const path, target = "load_balancing_policy", "replica_policy.target_qps_per_replica"
	qps := s.ReplicaPolicy.TargetQPSPerReplica
	perAccelerator := qps != nil && qps.PerAccelerator != nil
	switch policy := s.LoadBalancingPolicy; {
	case !slices.Contains(LoadBalancingPolicies(), policy):
		es.oneOf(path, string(policy), strs(LoadBalancingPolicies()))
	case perAccelerator && policy != InstanceAwareLeastLoad:
		es.add(path, []string{target}, "A target_qps_per_replica for each accelerator needs the policy %q, which knows replicas of different strength; it is %q.", InstanceAwareLeastLoad, policy)
	case policy == InstanceAwareLeastLoad && s.ReplicaPolicy.Fixed:
		es.add(path, []string{"replicas"}, "The policy %q needs a target_qps_per_replica for each accelerator, which a plain number of replicas has not; write a replica_policy instead.", policy)
	case policy == InstanceAwareLeastLoad && !perAccelerator:
		es.add(target, []string{path}, "The load balancing policy %q needs a target for each accelerator, such as 2.5 for \"A100\" and 0.5 for \"A10G\".", policy)
	}
}

// validateUpdate checks how revisions follow one another. A spec stored before
// there was a choice has no mode, which is rolling.
func (s Spec) validateUpdate(es *FieldErrors) {
	if s.UpdateMode != "" && !slices.Contains(UpdateModes(), s.UpdateMode) {
		es.oneOf("update_mode", string(s.UpdateMode), strs(UpdateModes()))
	}
	if u := s.RollingUpdate; u != nil {
		u.validate(es, s.UpdateMode)
	}
	es.delay("rollback.bake_seconds", s.Rollback.BakeSeconds)
	if n := s.Rollback.MaxFailures; s.Rollback.Enabled && (n < 1 || n > maxReplicas) {
		es.add("rollback.max_failures", nil, "%d failures cannot be the most; it must be from 1 to %d.", n, maxReplicas)
	}
}

// validate checks that an update can go on within the bounds.
func (u RollingUpdate) validate(es *FieldErrors, mode UpdateMode) {
	const at = "rolling_update"
	for name, n := range map[string]int{"max_surge": u.MaxSurge, "max_unavailable": u.MaxUnavailable} {
		if n < 0 || n > maxReplicas {
			es.add(at+"."+name, nil, "%d cannot be; it must be from 0 to %d.", n, maxReplicas)
			return
		}
	}
	switch {
	case mode == BlueGreen:
		es.add(at, []string{"update_mode"}, "It is for update_mode %q; with %q all new replicas are there before the first old one goes.", Rolling, mode)
	case u.MaxSurge == 0 && u.MaxUnavailable == 0:
		es.add(at+".max_unavailable", []string{at + ".max_surge"}, "With neither a replica more nor one less nothing could ever be replaced; set one of them to 1 or more.")
	}
}

// period refuses what cannot be the length of a pause or of a deadline.
func (es *FieldErrors) period(path string, v float64) {
	if v <= 0 {
		es.add(path, nil, "%s seconds is no time at all; it must be more than 0.", number(v))
	} else if v < minSeconds {
		es.add(path, nil, "%s seconds is too short; it must be at least %s.", number(v), number(minSeconds))
	} else {
		es.delay(path, v)
	}
}

// delay refuses what cannot be a time to wait; not waiting at all is fine.
func (es *FieldErrors) delay(path string, v float64) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		es.add(path, nil, "%s is not a finite number of seconds.", number(v))
	case v < 0:
		es.add(path, nil, "%s seconds is negative; it must be 0 or more.", number(v))
	case v > maxSeconds:
		es.add(path, nil, "%s seconds is too long; it must be at most %s.", number(v), number(maxSeconds))
	}
}

// oneOf refuses a word that is not among those known.
func (es *FieldErrors) oneOf(path, word string, known []string) {
	es.add(path, nil, "%q is not known%s; it must be one of %s.", word, didYouMean(word, known), quoted(known))
}

// distinct drops what was found twice, through two entries that inherit the
// same mistake.
func (es FieldErrors) distinct() FieldErrors {
	var kept FieldErrors
	for _, e := range es {
		same := func(k FieldError) bool { return k.Path == e.Path && k.Message == e.Message }
		if !slices.ContainsFunc(kept, same) {
			kept = append(kept, e)
		}
	}
	return kept
}

// didYouMean gives ", did you mean ...?" in brackets when a known word is near.
func didYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return " (did you mean " + strconv.Quote(near) + "?)"
	}
	return ""
}

func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}

func strs[S ~string](in []S) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// element gives the path of an element of the map at path.
func element(path, key string) string { return path + "[" + strconv.Quote(key) + "]" }

// item gives the path of an element of the list at path.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
