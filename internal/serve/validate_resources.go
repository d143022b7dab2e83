// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// validate checks each description on its own, and the alternatives once they
// are complete for what depends on several of their fields.
func (r Resources) validate(es *FieldErrors) {
	if len(r.AnyOf) > 0 && len(r.Ordered) > 0 {
		es.add("resources.ordered", []string{"resources.any_of"}, "any_of and ordered exclude each other: alternatives either have an order or have none.")
	}
	r.Resource.validate(es, "resources")
	for _, a := range r.alternatives() {
		if a.path != "resources" {
			a.own.validate(es, a.path)
			a.validateHeritage(es, r.Resource)
		}
		a.validatePlace(es)
		a.validateImage(es)
		a.validateLabels(es)
	}
}

// alternative is an entry of the resources together with where it was written.
type alternative struct {
	// Resource is complete, own as it was written at path.
	Resource
	own  Resource
	path string
}

// alternatives gives what [Resources.Entries] gives, in the same order.
func (r Resources) alternatives() []alternative {
	entries := r.Entries()
	if len(r.AnyOf)+len(r.Ordered) == 0 {
		return []alternative{{Resource: entries[0], own: r.Resource, path: "resources"}}
	}
	var as []alternative
	for i, own := range r.AnyOf {
		as = append(as, alternative{entries[len(as)], own, item("resources.any_of", i)})
	}
	for i, own := range r.Ordered {
		as = append(as, alternative{entries[len(as)], own, item("resources.ordered", i)})
	}
	return as
}

// at gives the path of a field: in the entry itself if it was written there,
// and otherwise in the outer description.
func (a alternative) at(field string, written bool) string {
	if written {
		return a.path + "." + field
	}
	return "resources." + field
}

// relatedTo lists what a rule over the given fields of the entries looked at,
// other than path itself.
func relatedTo(path string, fields ...string) []string {
	all := []string{"resources.any_of", "resources.ordered"}
	for _, f := range fields {
		all = append(all, "resources."+f)
	}
	return slices.DeleteFunc(all, func(p string) bool { return p == path })
}

// validate checks every field that has a meaning of its own.
func (r Resource) validate(es *FieldErrors, at string) {
	r.validateLocation(es, at)
	if r.InstanceType != "" && !consistsOf(r.InstanceType, isWordRune) {
		es.add(at+".instance_type", nil, "%q is not a machine type: it has a space or a control character.", r.InstanceType)
	}
	r.validateAmounts(es, at)
	if tiers := DiskTiers(); r.DiskTier != "" && !slices.Contains(tiers, r.DiskTier) {
		es.oneOf(at+".disk_tier", r.DiskTier, tiers)
	}
	if image, isDocker := strings.CutPrefix(r.ImageID, "docker:"); isDocker && image == "" {
		es.add(at+".image_id", nil, "The image has no name; write \"docker:\" and the name, as in \"docker:nginx:1.27\".")
	} else if !consistsOf(r.ImageID, isWordRune) {
		es.add(at+".image_id", nil, "%q is not an image: it has a space or a control character.", r.ImageID)
	}
	r.Kubernetes.validate(es, at+".kubernetes")
	if c := r.MaxHourlyCost; c < 0 || math.IsNaN(c) || math.IsInf(c, 0) {
		es.add(at+".max_hourly_cost", nil, "A price of %s cannot be; it must be a number of US dollars above 0.", number(c))
	}
}

// validateAmounts checks the fields that are written in a little language.
func (r Resource) validateAmounts(es *FieldErrors, at string) {
	_, cpus := ParseAmount(r.CPUs)
	_, memory := ParseMemory(r.Memory)
	_, _, accelerators := ParseAccelerators(r.Accelerators)
	_, disk := ParseDiskSize(r.DiskSize)
	_, ports := ParsePorts(r.Ports)
	for _, f := range []struct {
		name string
		err  error
	}{{"cpus", cpus}, {"memory", memory}, {"accelerators", accelerators}, {"disk_size", disk}, {"ports", ports}} {
		if f.err != nil {
			es.add(at+"."+f.name, nil, "%s", sentence(f.err))
		}
	}
}

// DiskTiers lists the tiers a disk can have, slowest first; "best" is the
// fastest a cloud has.
func DiskTiers() []string { return []string{"low", "medium", "high", "ultra", "best"} }

// validateImage checks what the place decides about the image.
func (a alternative) validateImage(es *FieldErrors) {
	place := a.Location()
	if strings.HasPrefix(a.ImageID, "ami-") && (place.Cloud != "aws" || place.Region == "") {
		path := a.at("image_id", a.own.ImageID != "")
		es.add(path, relatedTo(path, locationFields()...), "The image %q exists in one region of AWS only; name that region, as in infra \"aws/us-east-1\".", a.ImageID)
	}
}

// validateLabels checks labels by the rules of the cloud they are for, and
// where that is open by what all of them share.
func (a alternative) validateLabels(es *FieldErrors) {
	cloud := a.Location().Cloud
	for _, key := range slices.Sorted(maps.Keys(a.Labels)) {
		_, own := a.own.Labels[key]
		path := element(a.at("labels", own), key)
		if problem := labelProblem(cloud, key, a.Labels[key]); problem != "" {
			es.add(path, relatedTo(path, locationFields()...), "%s", problem)
		}
	}
}

// labelProblem says what is wrong with a label on the given cloud.
func labelProblem(cloud, key, value string) string {
	name := key
	longest, values := 128, 256
	allowed := isPrintable
	hint := "a control character"
	switch cloud {
	case "gcp":
		longest, values = 63, 63
		allowed = func(c rune) bool { return isNameRune(c) && c != '.' && !unicode.IsUpper(c) }
		hint = "something other than lower-case letters, digits, \"-\" and \"_\""
	case "kubernetes":
		longest, values = 63, 63
		allowed = isNameRune
		hint = "something other than letters, digits, \"-\", \"_\" and \".\""
		// A key may have a domain before it, which is not counted.
		if i := strings.LastIndex(key, "/"); i >= 0 {
			name = key[i+1:]
		}
	case "aws":
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return "AWS keeps labels that begin with \"aws:\" for itself; take another name."
		}
	}
	switch {
	case name == "":
		return "A label has an empty name."
	case utf8.RuneCountInString(name) > longest:
		return "The label's name is too long: at most " + number(float64(longest)) + " characters are allowed."
	case utf8.RuneCountInString(value) > values:
		return "The label's value is too long: at most " + number(float64(values)) + " characters are allowed."
	case !consistsOf(name, allowed) || !consistsOf(value, allowed):
		return "The label's name or value has " + hint + "."
	}
	return ""
}

func isWordRune(c rune) bool { return isPrintable(c) && !unicode.IsSpace(c) }

// sentence makes the text of a message from an error.
func sentence(err error) string {
	text := err.Error()
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
