// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// storage is what Cloud Storage has of the project, and of others that only have names.
type storage struct {
	buckets map[string]*bucket
	taken   []string // names of buckets of others
	uploads map[string]*upload
	written int64 // the last generation
}

// bucket has objects, each as it was written last: there are no versions of any.
type bucket struct {
	name, location         string
	made                   time.Time
	labels                 map[string]string
	objects                map[string]*object
	uniform, versions      bool
	prevention             string
	kept                   int // seconds for which objects that were deleted can be had back
	generation, changedSeq int64
}

func bucketPath(name string) string { return "projects/_/buckets/" + name }

func storageMethods() map[string]handler {
	return map[string]handler{
		"storage.buckets.insert":       insertBucket,
		"storage.buckets.get":          getBucket,
		"storage.buckets.patch":        patchBucket,
		"storage.buckets.delete":       deleteBucket,
		"storage.buckets.list":         listBuckets,
		"storage.buckets.getIamPolicy": getBucketPolicy,
		"storage.buckets.setIamPolicy": setBucketPolicy,
		"storage.objects.insert":       insertObject,
		"storage.objects.get":          getObject,
		"storage.objects.list":         listObjects,
		"storage.objects.delete":       deleteObject,
	}
}

// storageNeeds are the permissions that a method of Cloud Storage asks for. Whoever
// writes over an object must be allowed to delete it.
func storageNeeds(c *call, in fields) []need {
	at := bucketPath(c.param("bucket"))
	switch c.method.ID {
	case "storage.buckets.insert", "storage.buckets.list":
		return []need{{permission(c.method.ID), project}}
	case "storage.buckets.patch":
		return []need{{"storage.buckets.get", at}, {"storage.buckets.update", at}}
	case "storage.objects.insert":
		needs := []need{{"storage.objects.create", at}}
		if b := c.storage.buckets[c.param("bucket")]; b != nil && b.objects[c.objectName(in)] != nil {
			needs = append(needs, need{"storage.objects.delete", at})
		}
		return needs
	case "storage.objects.get":
		b := c.storage.buckets[c.param("bucket")]
		if b != nil && b.objects[c.param("object")] == nil {
			// That something is not there is told to those who may list.
			return []need{{"storage.objects.get", at}, {"storage.objects.list", at}}
		}
	}
	return []need{{permission(c.method.ID), at}}
}

func (b *bucket) describe() fields {
	return fields{
		"kind": "storage#bucket", "id": b.name, "name": b.name, "selfLink": "https://www.googleapis.com/storage/v1/b/" + b.name,
		"projectNumber": ProjectNumber, "location": b.location, "locationType": "region", "storageClass": "STANDARD", "labels": b.labels,
		"timeCreated": b.made, "updated": b.made, "metageneration": b.changedSeq, "etag": "CAE=", "generation": b.generation,
		"iamConfiguration": fields{
			"publicAccessPrevention":   b.prevention,
			"uniformBucketLevelAccess": fields{"enabled": b.uniform}, "bucketPolicyOnly": fields{"enabled": b.uniform},
		},
		"softDeletePolicy": fields{"retentionDurationSeconds": b.kept}, "versioning": fields{"enabled": b.versions},
	}
}

// bucketNamed finds the bucket that a call is about.
func (c *call) bucketNamed() (*bucket, error) {
	name := c.param("bucket")
	if b := c.storage.buckets[name]; b != nil {
		return b, nil
	}
	if slices.Contains(c.storage.taken, name) {
		return nil, forbidden("storage.buckets.get", bucketPath(name))
	}
	return nil, refusal(http.StatusNotFound, "notFound", "The specified bucket does not exist.")
}

func insertBucket(c *call, in fields) (fields, error) {
	if p := c.param("project"); p != Project && p != ProjectNumber {
		return nil, forbidden("storage.buckets.create", "projects/"+p)
	}
	name := in.Text("name")
	switch {
	case !regexp.MustCompile(`^[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]$`).MatchString(name) || strings.HasPrefix(name, "goog"):
		return nil, invalid("Invalid bucket name: '%s'", name)
	case c.storage.buckets[name] != nil:
		return nil, refusal(http.StatusConflict, "conflict", "Your previous request to create the named bucket succeeded and you already own it.")
	case slices.Contains(c.storage.taken, name):
		return nil, refusal(http.StatusConflict, "conflict", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "+
			"Please select a different name and try again.")
	}
	location := strings.ToUpper(in.Text("location"))
	if location == "" {
		location = "US"
	}
	if location != "US" && !slices.Contains(regionNames(), strings.ToLower(location)) {
		return nil, invalid("The specified location constraint is not valid.")
	}
	b := &bucket{name: name, location: location, made: c.now, objects: map[string]*object{}, prevention: "inherited", kept: 604800, generation: c.generation()}
	if err := c.become(b, in); err != nil {
		return nil, err
	}
	c.storage.buckets[name] = b
	return b.describe(), nil
}

// become has a bucket be as it is said to be, where something is said.
func (c *call) become(b *bucket, in fields) error {
	if err := c.only(in, "", "name", "location", "labels", "iamConfiguration", "softDeletePolicy", "versioning", "storageClass"); err != nil {
		return err
	}
	if in.Has("labels") {
		b.labels = labelsOf(in)
		if err := holdLabels(b.labels); err != nil {
			return err
		}
	}
	if access := in.Sub("iamConfiguration"); access != nil {
		if p := access.Text("publicAccessPrevention"); p != "" {
			b.prevention = p
		}
		if u := access.Sub("uniformBucketLevelAccess"); u != nil {
			b.uniform = u.Flag("enabled")
		}
	}
	if soft := in.Sub("softDeletePolicy"); soft != nil {
		b.kept = soft.Number("retentionDurationSeconds", b.kept)
		if b.kept != 0 && (b.kept < 604800 || b.kept > 7776000) {
			return invalid("The retention of what was deleted is between 7 and 90 days, or 0.")
		}
	}
	if v := in.Sub("versioning"); v != nil {
		b.versions = v.Flag("enabled")
	}
	b.changedSeq++
	return nil
}

func getBucket(c *call, _ fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	return b.describe(), nil
}

func patchBucket(c *call, in fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	if err := c.become(b, in); err != nil {
		return nil, err
	}
	return b.describe(), nil
}

func deleteBucket(c *call, _ fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	if len(b.objects) > 0 {
		return nil, refusal(http.StatusConflict, "conflict", "The bucket you tried to delete is not empty.")
	}
	delete(c.storage.buckets, b.name)
	delete(c.policies, bucketPath(b.name))
	return nil, nil
}

func listBuckets(c *call, _ fields) (fields, error) {
	out := fields{"kind": "storage#buckets"}
	var items []fields
	for _, name := range slices.Sorted(maps.Keys(c.storage.buckets)) {
		if strings.HasPrefix(name, c.param("prefix")) {
			items = append(items, c.storage.buckets[name].describe())
		}
	}
	items, next := c.some(items)
	if items != nil {
		out["items"] = items
	}
	out["nextPageToken"] = cloudtest.OrNil(next)
	return out, nil
}

// some gives a page of what is listed in order, and where the next one begins.
func (c *call) some(items []fields) (page []fields, next string) {
	from := 0
	if token := c.param("pageToken"); token != "" {
		from, _ = strconv.Atoi(token) // which was given here
	}
	to := min(len(items), from+c.parameters.Number("maxResults", 1000))
	if to < len(items) {
		next = strconv.Itoa(to)
	}
	return items[min(from, to):to], next
}

func getBucketPolicy(c *call, _ fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	return c.describePolicy(bucketPath(b.name), c.parameters.Number("optionsRequestedPolicyVersion", 1))
}

func setBucketPolicy(c *call, in fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	return c.changePolicy(bucketPath(b.name), in)
}

// MakeBucket makes a bucket, for tests of what is in one and not of the bucket.
func (g *GCP) MakeBucket(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.storage.buckets[name] = &bucket{name: name, location: "US-EAST1", made: time.Now(), objects: map[string]*object{}, prevention: "inherited"}
}

// Wipe deletes the buckets whose names begin so, with all that is in them.
func (g *GCP) Wipe(prefix string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name := range g.storage.buckets {
		if strings.HasPrefix(name, prefix) {
			delete(g.storage.buckets, name)
			delete(g.policies, bucketPath(name))
		}
	}
}

// Take has the name of a bucket be somebody else's.
func (g *GCP) Take(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.storage.taken = append(g.storage.taken, name)
}
