// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // it is how S3 names what it keeps
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// object is one version of an object, or the mark that it was deleted.
type object struct {
	key, version string // "null" where versions are not kept
	deleted      bool
	body         []byte
	etag, kind   string
	at           time.Time
	metadata     any
}

// latest gives the latest version of an object; nil if there is none, or it was
// deleted.
func (b *bucket) latest(key string) *object {
	for _, o := range slices.Backward(b.objects) {
		if o.key == key {
			if o.deleted {
				return nil
			}
			return o
		}
	}
	return nil
}

// put adds a version, and drops the one without a number if this has none either.
func (b *bucket) put(o *object) {
	if o.version == "null" {
		b.objects = slices.DeleteFunc(b.objects, func(old *object) bool { return old.key == o.key && old.version == "null" })
	}
	b.objects = append(b.objects, o)
	slices.SortStableFunc(b.objects, func(x, y *object) int { return cmp.Compare(x.key, y.key) })
}

func (c *call) newVersion(b *bucket) string {
	if b.versioning == "Enabled" {
		return hex16(c.random.Uint64())
	}
	return "null"
}

// versionOf is told only where versions are kept.
func (b *bucket) versionOf(o *object) any {
	if b.versioning == "" {
		return nil
	}
	return o.version
}

func noKey(key string) error {
	return refusal(http.StatusNotFound, "NoSuchKey", "The specified key does not exist: %s", key)
}

func failedCondition(name string) error {
	return refusal(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold: %s", name)
}

// putObject writes an object, on the condition that there is none or that it is
// still a certain one.
func putObject(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	key, before := in.Text("Key"), b.latest(in.Text("Key"))
	switch {
	case in.Has("IfNoneMatch") && in.Text("IfNoneMatch") != "*":
		return nil, refusal(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented: If-None-Match")
	case in.Has("IfNoneMatch") && before != nil:
		return nil, failedCondition("If-None-Match")
	case in.Has("IfMatch") && before == nil:
		return nil, noKey(key)
	case in.Has("IfMatch") && strings.Trim(in.Text("IfMatch"), `"`) != strings.Trim(before.etag, `"`):
		return nil, failedCondition("If-Match")
	}
	body, _ := in["Body"].([]byte)
	sum := md5.Sum(body) //nolint:gosec // as S3 does
	o := &object{
		key: key, version: c.newVersion(b), body: slices.Clone(body), etag: `"` + hex.EncodeToString(sum[:]) + `"`,
		kind: cmp.Or(in.Text("ContentType"), "binary/octet-stream"), at: c.now, metadata: in["Metadata"],
	}
	b.put(o)
	return fields{"ETag": o.etag, "VersionId": b.versionOf(o), "ServerSideEncryption": "AES256"}, nil
}

// object finds the version that a request is about, as it is wanted.
func (c *call) object(in fields) (*bucket, *object, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, nil, err
	}
	key, version := in.Text("Key"), in.Text("VersionId")
	o := b.latest(key)
	if version != "" {
		o = find(b.objects, func(o *object) bool { return o.key == key && o.version == version && !o.deleted })
	}
	none, match := strings.Trim(in.Text("IfNoneMatch"), `"`), strings.Trim(in.Text("IfMatch"), `"`)
	switch {
	case in.Has("Range"):
		return nil, nil, refusal(http.StatusNotImplemented, "NotImplemented", "Parts of objects are not had here")
	case o == nil && c.lacks("s3", "ListObjectsV2", nil) != "":
		// Whoever may not see what there is, is not told what there is not.
		return nil, nil, restProtocol{}.forbidden(c.by, "s3:ListBucket")
	case o == nil:
		return nil, nil, noKey(key)
	case match != "" && match != strings.Trim(o.etag, `"`):
		return nil, nil, failedCondition("If-Match")
	case none != "" && none == strings.Trim(o.etag, `"`):
		return nil, nil, refusal(http.StatusNotModified, "NotModified", "Not Modified")
	}
	return b, o, nil
}

func headObject(c *call, in fields) (fields, error) {
	b, o, err := c.object(in)
	if err != nil {
		return nil, err
	}
	return fields{
		"ContentLength": len(o.body), "ContentType": o.kind, "ETag": o.etag, "LastModified": o.at, "VersionId": b.versionOf(o),
		"AcceptRanges": "bytes", "ServerSideEncryption": "AES256", "Metadata": o.metadata,
	}, nil
}

func getObject(c *call, in fields) (fields, error) {
	out, err := headObject(c, in)
	if err != nil {
		return nil, err
	}
	_, o, err := c.object(in)
	out["Body"] = slices.Clone(o.body)
	return out, err
}

func deleteObject(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	return c.remove(b, in.Text("Key"), in.Text("VersionId")), nil
}

// remove removes a version, or puts the mark of deletion where versions are kept.
// That there is nothing is no error.
func (c *call) remove(b *bucket, key, version string) fields {
	if version == "" && b.versioning != "" {
		mark := &object{key: key, version: c.newVersion(b), deleted: true, at: c.now}
		b.put(mark)
		return fields{"DeleteMarker": true, "VersionId": mark.version}
	}
	if version == "" {
		version = "null"
	}
	b.objects = slices.DeleteFunc(b.objects, func(o *object) bool { return o.key == key && o.version == version })
	return fields{}
}

func deleteObjects(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	list := in.Sub("Delete").Subs("Objects")
	if len(list) > 1000 {
		return nil, refusal(http.StatusBadRequest, "MalformedXML", "There are more than 1000 objects")
	}
	deleted := []fields{}
	for _, o := range list {
		c.remove(b, o.Text("Key"), o.Text("VersionId"))
		deleted = append(deleted, fields{"Key": o["Key"], "VersionId": o["VersionId"]})
	}
	if in.Sub("Delete").Flag("Quiet") {
		deleted = nil
	}
	return fields{"Deleted": orEmpty(deleted)}, nil
}

// startOf is the key after which a list goes on.
func startOf(in fields) (string, error) {
	token := in.Text("ContinuationToken")
	if token == "" {
		return in.Text("StartAfter"), nil
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", refusal(http.StatusBadRequest, "InvalidArgument", "The continuation token provided is incorrect")
	}
	return string(raw), nil
}

// groupOf is what a key has before the delimiter, with the prefix; empty if it has no
// delimiter.
func groupOf(key, prefix, delimiter string) string {
	at := strings.Index(key[len(prefix):], delimiter)
	if delimiter == "" || at < 0 {
		return ""
	}
	return key[:len(prefix)+at+len(delimiter)]
}

// listObjects lists what is there by its key, page by page. Keys that go on after
// the delimiter are given together.
func listObjects(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	prefix, delimiter := in.Text("Prefix"), in.Text("Delimiter")
	after, err := startOf(in)
	if err != nil {
		return nil, err
	}
	write := func(key string) string {
		if in.Text("EncodingType") == "url" {
			return url.QueryEscape(key)
		}
		return key
	}
	most := min(in.Number("MaxKeys", 1000), 1000)
	contents, together := []fields{}, []fields{}
	last, next := "", any(nil)
	for _, o := range b.objects {
		if o != b.latest(o.key) || o.key <= after || !strings.HasPrefix(o.key, prefix) {
			continue
		}
		group := groupOf(o.key, prefix, delimiter)
		if group != "" && len(together) > 0 && together[len(together)-1]["Prefix"] == write(group) {
			last = o.key
			continue
		}
		if len(contents)+len(together) == most {
			next = base64.StdEncoding.EncodeToString([]byte(last))
			break
		}
		last = o.key
		if group != "" {
			together = append(together, fields{"Prefix": write(group)})
			continue
		}
		contents = append(contents, fields{
			"Key": write(o.key), "Size": len(o.body), "ETag": o.etag, "LastModified": o.at, "StorageClass": "STANDARD",
		})
	}
	return fields{
		"Name": b.name, "Prefix": write(prefix), "MaxKeys": most, "KeyCount": len(contents) + len(together), "IsTruncated": next != nil,
		"Contents": contents, "CommonPrefixes": together, "NextContinuationToken": next, "Delimiter": cloudtest.OrNil(write(delimiter)),
		"EncodingType": in["EncodingType"], "StartAfter": in["StartAfter"], "ContinuationToken": in["ContinuationToken"],
	}, nil
}

// listObjectVersions lists all versions, the newest of a key first, on one page.
func listObjectVersions(c *call, in fields) (fields, error) {
	b, err := c.bucket(in)
	if err != nil {
		return nil, err
	}
	versions, marks := []fields{}, []fields{}
	seen := map[string]bool{}
	for _, o := range slices.Backward(b.objects) {
		if !strings.HasPrefix(o.key, in.Text("Prefix")) {
			continue
		}
		entry := fields{"Key": o.key, "VersionId": o.version, "IsLatest": !seen[o.key], "LastModified": o.at}
		seen[o.key] = true
		if o.deleted {
			marks = append(marks, entry)
			continue
		}
		entry["Size"], entry["ETag"], entry["StorageClass"] = len(o.body), o.etag, "STANDARD"
		versions = append(versions, entry)
	}
	return fields{
		"Name": b.name, "Prefix": in.Text("Prefix"), "IsTruncated": false, "MaxKeys": 1000, "Versions": versions, "DeleteMarkers": marks,
	}, nil
}
