// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"strings"
	"time"
)

// tagging is one change of the tags of a thing. The changes are kept, since
// those who describe it may still see an earlier state.
type tagging struct {
	at         time.Time
	key, value string
	dropped    bool
}

type tags []tagging

// at gives the tags as they were at a moment.
func (t tags) at(moment time.Time) map[string]string {
	out := map[string]string{}
	for _, change := range t {
		switch {
		case change.at.After(moment):
		case change.dropped:
			delete(out, change.key)
		default:
			out[change.key] = change.value
		}
	}
	return out
}

// last gives the tags as they are.
func (t tags) last() map[string]string {
	if len(t) == 0 {
		return map[string]string{}
	}
	return t.at(t[len(t)-1].at)
}

// list writes tags for an answer.
func tagList(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	out := make([]fields, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, fields{"Key": k, "Value": m[k]})
	}
	return out
}

// newTags reads tags from a request.
func newTags(now time.Time, list []fields) (tags, error) {
	var out tags
	seen := map[string]bool{}
	for _, tag := range list {
		key := tag.Text("Key")
		switch {
		case key == "":
			return nil, refusal(400, "InvalidParameterValue", "Tag keys must not be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("Tag keys starting with 'aws:' are reserved for internal use")
		case len(key) > 128 || len(tag.Text("Value")) > 256:
			return nil, invalid("Tag %q exceeds the maximum length of its key (128) or value (256)", key)
		case seen[key]:
			return nil, invalid("Duplicate tag key '%s' specified.", key)
		}
		seen[key] = true
		out = append(out, tagging{at: now, key: key, value: tag.Text("Value")})
	}
	if len(seen) > 50 {
		return nil, refusal(400, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return out, nil
}

// specified reads the tags that TagSpecifications has for a type of things.
func specified(now time.Time, in fields, resource string, allowed ...string) (tags, error) {
	var out []fields
	for _, s := range in.Subs("TagSpecifications") {
		kind := s.Text("ResourceType")
		known := kind == resource
		for _, other := range allowed {
			known = known || kind == other
		}
		if !known {
			return nil, invalid("'%s' is not a valid taggable resource type for this operation.", kind)
		}
		if kind == resource {
			out = append(out, s.Subs("Tags")...)
		}
	}
	return newTags(now, out)
}

// tagged finds the tags of a thing by its id, and how EC2 says that there is
// none.
func (c *call) tagged(id string) (*tags, error) {
	r := c.region
	var found *tags
	missing := refusal(400, "InvalidID", "The ID '%s' is not valid", id)
	switch prefix, _, _ := strings.Cut(id, "-"); prefix {
	case "i":
		missing = refusal(400, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		seen := slices.DeleteFunc(slices.Clone(r.instances), func(i *instance) bool { return !i.visible(c) })
		found = tagsOf(id, seen, func(i *instance) (string, *tags) { return i.id, &i.tags })
	case "sg":
		missing = refusal(400, "InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		found = tagsOf(id, r.groups, func(g *group) (string, *tags) { return g.id, &g.tags })
	case "vol":
		missing = refusal(400, "InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
		there := slices.DeleteFunc(slices.Clone(r.volumes), func(v *volume) bool { return v.state(c.now) == "" })
		found = tagsOf(id, there, func(v *volume) (string, *tags) { return v.id, &v.tags })
	case "sir":
		missing = refusal(400, "InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '%s' does not exist", id)
		found = tagsOf(id, r.spots, func(s *spotRequest) (string, *tags) { return s.id, &s.tags })
	case "eipalloc":
		missing = refusal(400, "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
		found = tagsOf(id, r.addresses, func(a *address) (string, *tags) { return a.id, &a.tags })
	case "lt":
		missing = refusal(400, "InvalidLaunchTemplateId.NotFound", "The launch template ID '%s' does not exist", id)
		found = tagsOf(id, r.templates, func(t *template) (string, *tags) { return t.id, &t.tags })
	}
	if found == nil {
		return nil, missing
	}
	return found, nil
}

// tagsOf gives the tags of the thing of that id, or nil.
func tagsOf[T any](id string, list []*T, of func(*T) (string, *tags)) *tags {
	for _, thing := range list {
		if name, t := of(thing); name == id {
			return t
		}
	}
	return nil
}

// find gives the first thing that is as is wanted, or nil.
func find[T any](list []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

func createTags(c *call, in fields) (fields, error) {
	changes, err := newTags(c.now, in.Subs("Tags"))
	if err != nil {
		return nil, err
	}
	return nil, c.retag(in.Texts("Resources"), func(tags) tags { return changes })
}

// deleteTags drops tags by their key, and only while they have the given value
// if one is given.
func deleteTags(c *call, in fields) (fields, error) {
	return nil, c.retag(in.Texts("Resources"), func(have tags) tags {
		var changes tags
		now := have.last()
		for _, tag := range in.Subs("Tags") {
			key := tag.Text("Key")
			if !tag.Has("Value") || now[key] == tag.Text("Value") {
				changes = append(changes, tagging{at: c.now, key: key, dropped: true})
			}
		}
		return changes
	})
}

// retag changes the tags of all things, or of none.
func (c *call) retag(ids []string, change func(tags) tags) error {
	found := make([]*tags, 0, len(ids))
	for _, id := range ids {
		t, err := c.tagged(id)
		if err != nil {
			return err
		}
		found = append(found, t)
	}
	for _, t := range found {
		*t = append(*t, change(*t)...)
	}
	return nil
}
