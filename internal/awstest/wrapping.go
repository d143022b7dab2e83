// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // it is how S3 names what it keeps
	"crypto/sha1" //nolint:gosec // one of those that S3 takes
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strconv"
	"strings"
)

// unwrap takes what was sent in pieces together, as the SDKs send what they have not
// summed up before, and holds it to the sums that came with it.
func (c *restRequest) unwrap() error {
	if strings.HasPrefix(c.header.Get("x-amz-content-sha256"), "STREAMING-") {
		body, err := c.joined()
		if err != nil {
			return err
		}
		if n := c.header.Get("x-amz-decoded-content-length"); n != strconv.Itoa(len(body)) {
			return depart(outside, "x-amz-decoded-content-length", "There are %d bytes, and not %s", len(body), n)
		}
		c.body = body
		if kept := strings.TrimSuffix(strings.ReplaceAll(c.header.Get("Content-Encoding"), "aws-chunked", ""), ","); kept != "" {
			c.header.Set("Content-Encoding", kept)
		} else {
			c.header.Del("Content-Encoding")
		}
		c.header.Del("Content-Length")
	}
	for name, sum := range sums() {
		want := c.header.Get(name)
		if want == "" {
			continue
		}
		_, _ = sum.Write(c.body) // it never fails
		if base64.StdEncoding.EncodeToString(sum.Sum(nil)) != want {
			return depart(outside, name, "The %s that was sent is not that of what was sent", name)
		}
	}
	return nil
}

// joined joins the pieces, each of which has its length in front. What comes after
// the last one are more headers.
func (c *restRequest) joined() ([]byte, error) {
	broken := depart(mistyped, "Body", "The body is not in pieces as its headers say")
	var whole []byte
	rest := c.body
	for {
		line, after, ok := bytes.Cut(rest, []byte("\r\n"))
		digits, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseInt(digits, 16, 32)
		if !ok || err != nil || int(n) > len(after) {
			return nil, broken
		}
		if n == 0 {
			rest = after
			break
		}
		whole, rest = append(whole, after[:n]...), bytes.TrimPrefix(after[n:], []byte("\r\n"))
	}
	for line := range strings.SplitSeq(string(rest), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			c.header.Set(name, strings.TrimSpace(value))
		}
	}
	return whole, nil
}

// summing is a sum that is being made.
type summing interface {
	io.Writer
	Sum(b []byte) []byte
}

// sums are those that a request may have, by their headers.
func sums() map[string]summing {
	const nvme = 0x9a6c9329ac4bc9b5
	return map[string]summing{
		"Content-MD5": md5.New(), "x-amz-checksum-sha1": sha1.New(), "x-amz-checksum-sha256": sha256.New(), //nolint:gosec // as S3 does
		"x-amz-checksum-crc32": crc32.NewIEEE(), "x-amz-checksum-crc32c": crc32.New(crc32.MakeTable(crc32.Castagnoli)),
		"x-amz-checksum-crc64nvme": crc64.New(crc64.MakeTable(nvme)),
	}
}
