// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

func s3Actions() map[string]handler {
	return map[string]handler{
		"ListBuckets":                     listBuckets,
		"CreateBucket":                    createBucket,
		"HeadBucket":                      headBucket,
		"DeleteBucket":                    deleteBucket,
		"PutPublicAccessBlock":            keepSetting("PublicAccessBlockConfiguration"),
		"GetPublicAccessBlock":            giveSetting("PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"),
		"PutBucketEncryption":             keepSetting("ServerSideEncryptionConfiguration"),
		"GetBucketEncryption":             giveSetting("ServerSideEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"),
		"PutBucketLifecycleConfiguration": keepSetting("LifecycleConfiguration"),
		"PutBucketVersioning":             putBucketVersioning,
		"GetBucketVersioning":             getBucketVersioning,
		"PutBucketTagging":                putBucketTagging,
		"GetBucketTagging":                getBucketTagging,
		"PutObject":                       putObject,
		"GetObject":                       getObject,
		"HeadObject":                      headObject,
		"DeleteObject":                    deleteObject,
		"DeleteObjects":                   deleteObjects,
		"ListObjectsV2":                   listObjects,
		"ListObjectVersions":              listObjectVersions,
	}
}

// bucket is where objects are. Its name is one in all of AWS.
type bucket struct {
	name, region string
	made         time.Time
	settings     fields
	versioning   string // "", Enabled or Suspended
	tags         []fields
	objects      []*object // by key, and of one key the oldest first
}

// Wipe deletes every bucket whose name begins with prefix, with all that is in it,
// as somebody may who has lost patience.
func (a *AWS) Wipe(prefix string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buckets = slices.DeleteFunc(a.buckets, func(b *bucket) bool { return strings.HasPrefix(b.name, prefix) })
}

// bucket finds the bucket that a request is about, which has to be asked for in its
// own region.
func (c *call) bucket(in fields) (*bucket, error) {
	name := in.Text("Bucket")
	b := find(c.buckets, func(b *bucket) bool { return b.name == name })
	switch {
	case b == nil:
		return nil, refusal(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case b.region != c.region.name:
		return nil, refusal(http.StatusMovedPermanently, "PermanentRedirect",
			"The bucket you are attempting to access must be addressed using the specified endpoint: s3.%s.amazonaws.com", b.region)
	}
	return b, nil
}

func (b *bucket) entry() Bucket {
	e := Bucket{Name: b.name, Region: b.region, Versions: len(b.objects), Tags: map[string]string{}}
	for _, o := range b.objects {
		if o == b.latest(o.key) {
			e.Objects = append(e.Objects, o.key)
		}
	}
	for _, tag := range b.tags {
		e.Tags[tag.Text("Key")] = tag.Text("Value")
	}
	return e
}

func listBuckets(c *call, in fields) (fields, error) {
	list := slices.DeleteFunc(slices.Clone(c.buckets), func(b *bucket) bool {
		return !strings.HasPrefix(b.name, in.Text("Prefix")) || in.Has("BucketRegion") && b.region != in.Text("BucketRegion")
	})
	slices.SortFunc(list, func(a, b *bucket) int { return strings.Compare(a.name, b.name) })
	in["MaxResults"], in["NextToken"] = in["MaxBuckets"], in["ContinuationToken"]
	list, next, err := page(list, in, 1, 10000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, b := range list {
		out = append(out, fields{"Name": b.name, "CreationDate": b.made, "BucketRegion": b.region})
	}
	return fields{"Buckets": out, "Owner": fields{"ID": hex16(hash(Account))}, "ContinuationToken": next, "Prefix": in["Prefix"]}, nil
}

// createBucket makes a bucket whose name nobody has: those that end with
// "-of-others" somebody else has.
func createBucket(c *call, in fields) (fields, error) {
	name := in.Text("Bucket")
	place := in.Sub("CreateBucketConfiguration").Text("LocationConstraint")
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	before := find(c.buckets, func(b *bucket) bool { return b.name == name })
	switch {
	case !valid.MatchString(name):
		return nil, refusal(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	case place == "" && c.region.name != "us-east-1" || place != "" && place != c.region.name:
		return nil, refusal(http.StatusBadRequest, "IllegalLocationConstraintException",
			"The %q location constraint is incompatible for the region specific endpoint this request was sent to.", place)
	case strings.HasSuffix(name, "-of-others"):
		return nil, refusal(http.StatusConflict, "BucketAlreadyExists", "The requested bucket name is not available.")
	case before != nil && (before.region != c.region.name || c.region.name != "us-east-1"):
		return nil, refusal(http.StatusConflict, "BucketAlreadyOwnedByYou",
			"Your previous request to create the named bucket succeeded and you already own it.")
	case before == nil:
		// A new bucket keeps the public out, and encrypts, unless it is told otherwise.
		c.buckets = append(c.buckets, &bucket{name: name, region: c.region.name, made: c.now, settings: fields{
			"PublicAccessBlockConfiguration": fields{
				"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true,
			},
			"ServerSideEncryptionConfiguration": fields{"Rules": []any{fields{
				"ApplyServerSideEncryptionByDefault": fields{"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": false,
			}}},
		}})
	}
	return fields{"Location": "/" + name}, nil
}

func headBucket(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	return fields{"BucketRegion": b.region}, nil
}

func deleteBucket(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	if len(b.objects) > 0 {
		return nil, refusal(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
	}
	c.buckets = slices.DeleteFunc(c.buckets, func(o *bucket) bool { return o == b })
	return nil, nil
}

// keepSetting keeps a part of a bucket's configuration, which nothing here follows.
func keepSetting(name string) handler {
	return func(c *call, in fields) (fields, error) {
		b, err := c.bucket(in)
		if err != nil {
			return nil, err
		}
		b.settings[name] = in[name]
		return nil, nil
	}
}

func giveSetting(name, missing string) handler {
	return func(c *call, in fields) (fields, error) {
		b, err := c.bucket(in)
		if err != nil {
			return nil, err
		}
		if !b.settings.Has(name) {
			return nil, refusal(http.StatusNotFound, missing, "The configuration was not found")
		}
		return fields{name: b.settings[name]}, nil
	}
}

func putBucketVersioning(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	b.versioning = in.Sub("VersioningConfiguration").Text("Status")
	return nil, nil
}

func getBucketVersioning(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	return fields{"Status": cloudtest.OrNil(b.versioning)}, nil
}

func putBucketTagging(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	list := in.Sub("Tagging").Subs("TagSet")
	if _, err := newTags(c.now, list); err != nil {
		return nil, err
	}
	b.tags = list
	return nil, nil
}

func getBucketTagging(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	if len(b.tags) == 0 {
		return nil, refusal(http.StatusNotFound, "NoSuchTagSet", "The TagSet does not exist")
	}
	return fields{"TagSet": b.tags}, nil
}

// s3Permission is what policies call the permission for an action of S3, where that
// is not its own name.
func s3Permission(action string) string {
	switch action {
	case "HeadObject":
		return "s3:GetObject"
	case "HeadBucket", "ListObjectsV2":
		return "s3:ListBucket"
	case "ListObjectVersions":
		return "s3:ListBucketVersions"
	case "ListBuckets":
		return "s3:ListAllMyBuckets"
	case "DeleteObjects":
		return "s3:DeleteObject"
	case "PutPublicAccessBlock", "GetPublicAccessBlock":
		return "s3:" + action[:3] + "BucketPublicAccessBlock"
	case "PutBucketEncryption", "GetBucketEncryption":
		return "s3:" + action[:3] + "EncryptionConfiguration"
	case "PutBucketLifecycleConfiguration":
		return "s3:PutLifecycleConfiguration"
	}
	return "s3:" + action
}
