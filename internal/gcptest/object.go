// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // by which Cloud Storage tells objects apart
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// object is what was written last under a name.
type object struct {
	bucket, name, kind string
	data               []byte
	generation         int64
	made               time.Time
}

// generation gives the next one: they grow, with time.
func (c *call) generation() int64 {
	c.storage.written = max(c.storage.written+1, c.now.UnixMicro())
	return c.storage.written
}

// checksum is the one that Cloud Storage has of every object.
func checksum(data []byte) string {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

func (o *object) describe() fields {
	sum := md5.Sum(o.data) //nolint:gosec // as above
	return fields{
		"kind": "storage#object", "id": o.bucket + "/" + o.name + "/" + strconv.FormatInt(o.generation, 10), "name": o.name, "bucket": o.bucket,
		"generation": o.generation, "metageneration": 1, "contentType": cloudtest.OrNil(o.kind), "storageClass": "STANDARD", "size": len(o.data),
		"md5Hash": base64.StdEncoding.EncodeToString(sum[:]), "crc32c": checksum(o.data), "etag": "C" + strconv.FormatInt(o.generation, 36),
		"timeCreated": o.made, "updated": o.made, "timeStorageClassUpdated": o.made, "timeFinalized": o.made,
	}
}

// describeObject adds where the object is, which is wherever whoever asks has asked.
func (c *call) describeObject(o *object) fields {
	out := o.describe()
	scheme, host := c.request.URL.Scheme, c.request.Host
	if scheme == "" {
		scheme = "http" // over the network
	}
	at := scheme + "://" + cmp.Or(host, c.request.URL.Host) + "/storage/v1/b/" + o.bucket + "/o/" + url.PathEscape(o.name)
	out["selfLink"], out["mediaLink"] = at, at+"?alt=media&generation="+strconv.FormatInt(o.generation, 10)
	return out
}

// objectName is the name of the object that a call is to write.
func (c *call) objectName(in fields) string {
	if name := in.Text("name"); name != "" {
		return name
	}
	return c.param("name")
}

// unmet says that an object is not as a call has it.
func (c *call) unmet(o *object) error {
	want := int64(c.parameters.Number("ifGenerationMatch", -1))
	has := int64(0)
	if o != nil {
		has = o.generation
	}
	if want >= 0 && want != has {
		return refusal(http.StatusPreconditionFailed, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
	}
	return nil
}

func insertObject(c *call, in fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	if err := c.only(in, "", "name", "bucket", "contentType", "crc32c", "md5Hash", "cacheControl"); err != nil {
		return nil, err
	}
	if c.media == nil {
		return nil, c.undone("an object without content")
	}
	if c.media.session {
		c.begun(b, in)
		return nil, nil
	}
	return c.writeObject(b, in, c.media)
}

// writeObject writes an object that is here as a whole.
func (c *call) writeObject(b *bucket, in fields, content *content) (fields, error) {
	o := &object{bucket: b.name, name: c.objectName(in), kind: in.Text("contentType"), data: content.data, made: c.now}
	if o.kind == "" {
		o.kind = content.kind
	}
	if o.name == "" || len(o.name) > 1024 || strings.ContainsAny(o.name, "\r\n") {
		return nil, invalid("Invalid object name: '%s'", o.name)
	}
	if err := c.unmet(b.objects[o.name]); err != nil {
		return nil, err
	}
	sum := md5.Sum(o.data) //nolint:gosec // as above
	if got, want := checksum(o.data), in.Text("crc32c"); want != "" && want != got {
		return nil, invalid("Provided CRC32C %q doesn't match calculated CRC32C %q.", want, got)
	}
	if got, want := base64.StdEncoding.EncodeToString(sum[:]), in.Text("md5Hash"); want != "" && want != got {
		return nil, invalid("Provided MD5 hash %q doesn't match calculated MD5 hash %q.", want, got)
	}
	o.generation = c.generation()
	b.objects[o.name] = o
	return c.describeObject(o), nil
}

// objectNamed finds the object that a call is about.
func (c *call) objectNamed() (*bucket, *object, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, nil, err
	}
	o := b.objects[c.param("object")]
	if o == nil {
		return nil, nil, refusal(http.StatusNotFound, "notFound", "No such object: %s/%s", b.name, c.param("object"))
	}
	return b, o, c.unmet(o)
}

func getObject(c *call, _ fields) (fields, error) {
	_, o, err := c.objectNamed()
	if err != nil {
		return nil, err
	}
	if c.param("alt") != "media" {
		return c.describeObject(o), nil
	}
	c.reply = &content{kind: o.kind, data: o.data, header: http.Header{
		"X-Goog-Generation": {strconv.FormatInt(o.generation, 10)}, "X-Goog-Metageneration": {"1"}, "X-Goog-Hash": {"crc32c=" + checksum(o.data)},
		"Etag": {"C" + strconv.FormatInt(o.generation, 36)},
	}}
	if part := c.request.Header.Get("Range"); part != "" {
		return nil, c.reply.cut(part)
	}
	return nil, nil
}

// cut leaves the part of content that is asked for.
func (c *content) cut(part string) error {
	parts := regexp.MustCompile(`^bytes=(\d+)-(\d*)$`).FindStringSubmatch(part)
	if parts == nil {
		return invalid("Invalid range '%s'", part)
	}
	size := len(c.data)
	from, err := strconv.Atoi(parts[1])
	to, _ := strconv.Atoi(parts[2]) // digits, or none
	if parts[2] == "" || to >= size {
		to = size - 1
	}
	if err != nil || from > to {
		return refusal(http.StatusRequestedRangeNotSatisfiable, "requestedRangeNotSatisfiable", "Request range not satisfiable")
	}
	c.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
	c.data, c.status = c.data[from:to+1], http.StatusPartialContent
	return nil
}

func listObjects(c *call, _ fields) (fields, error) {
	b, err := c.bucketNamed()
	if err != nil {
		return nil, err
	}
	var items []fields
	var below []string // what names have in common up to the delimiter
	prefix, delimiter := c.param("prefix"), c.param("delimiter")
	for _, name := range slices.Sorted(maps.Keys(b.objects)) {
		rest, ok := strings.CutPrefix(name, prefix)
		first, _, deeper := strings.Cut(rest, delimiter)
		switch {
		case !ok:
		case delimiter == "" || !deeper:
			items = append(items, c.describeObject(b.objects[name]))
		default:
			below = append(below, prefix+first+delimiter)
		}
	}
	items, next := c.some(items)
	out := fields{"kind": "storage#objects", "nextPageToken": cloudtest.OrNil(next)}
	if items != nil {
		out["items"] = items
	}
	if below = slices.Compact(below); c.param("pageToken") == "" && below != nil {
		out["prefixes"] = below
	}
	return out, nil
}

func deleteObject(c *call, _ fields) (fields, error) {
	b, o, err := c.objectNamed()
	if err != nil {
		return nil, err
	}
	delete(b.objects, o.name)
	return nil, nil
}
