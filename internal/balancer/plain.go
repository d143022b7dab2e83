// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// plain is a response of the simplest shape, in memory that is used again.
type plain struct {
	http.Response
	source io.Reader
	left   int64 // of the body
}

// read reads the head of a response if it is there as a whole and of the
// simplest shape: a final status, a length said once, and nothing about the
// connection. It reports false and has read nothing if it is anything else,
// which is for [http.ReadResponse] to make sense of: here are no rules for what
// is doubtful, only for what is not. Most short answers come this way, with two
// allocations instead of a dozen.
func (p *plain) read(c *conn) bool {
	_, _ = c.reader.Peek(1) // an error comes again
	ahead, _ := c.reader.Peek(c.reader.Buffered())
	end := bytes.Index(ahead, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	head := string(ahead[:end+2])
	status, fields, _ := strings.Cut(head, "\r\n")
	if !p.readStatus(status) || !p.readFields(fields) {
		return false
	}
	_, _ = c.reader.Discard(end + 4)
	p.source, p.Body = c.reader, p
	if p.left == 0 {
		p.Body = http.NoBody
	}
	return true
}

// readStatus reads a line such as "HTTP/1.1 200 OK".
func (p *plain) readStatus(line string) bool {
	rest, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(rest) < 4 || rest[3] != ' ' {
		return false
	}
	p.StatusCode = 0
	for _, digit := range []byte(rest[:3]) {
		if digit < '0' || digit > '9' {
			return false
		}
		p.StatusCode = p.StatusCode*10 + int(digit-'0')
	}
	// Those that never have a body are left out, too.
	return p.StatusCode >= 200 && p.StatusCode != http.StatusNoContent && p.StatusCode != http.StatusNotModified
}

// readFields reads lines such as "Name: value".
func (p *plain) readFields(lines string) bool {
	if p.Header == nil {
		p.Header = http.Header{}
	}
	clear(p.Header)
	values := make([]string, 0, strings.Count(lines, "\n"))
	for lines != "" {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if value = strings.Trim(value, " \t"); !ok || !validToken(name) || !validValue(value) {
			return false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if name == "Keep-Alive" || name == "Connection" && strings.EqualFold(value, "keep-alive") {
			continue // as it is anyway
		}
		if hopByHop(name) {
			return false
		}
		if before, repeated := p.Header[name]; repeated {
			p.Header[name] = append(slices.Clip(before), value)
			continue
		}
		values = append(values, value)
		p.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return p.readLength(p.Header["Content-Length"])
}

// readLength reads the length of the body, of up to 18 digits.
func (p *plain) readLength(values []string) bool {
	if len(values) != 1 || values[0] == "" || len(values[0]) > 18 {
		return false
	}
	p.left = 0
	for _, digit := range []byte(values[0]) {
		if digit < '0' || digit > '9' {
			return false
		}
		p.left = p.left*10 + int64(digit-'0')
	}
	return true
}

// Read reads the body.
func (p *plain) Read(b []byte) (int, error) {
	n, err := p.source.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	switch {
	case p.left == 0:
		return n, io.EOF
	case err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close does nothing: the connection is not the body's.
func (p *plain) Close() error { return nil }
