// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// restProtocol is what S3 speaks: what is asked for is in the method and the
// address, small things are in headers, and a structure is in XML.
type restProtocol struct{}

// restRequest is a request that was taken apart.
type restRequest struct {
	path   map[string]string // Bucket and Key
	query  url.Values
	header http.Header
	body   []byte
}

// action finds the operation whose address a request has. Of several that is the
// one with most of what it has in its own.
func (p restProtocol) action(m *model, r *http.Request, body []byte) (string, any, error) {
	content := restRequest{path: locateObject(r), query: r.URL.Query(), header: r.Header.Clone(), body: body}
	best, most := "", -1
	for _, name := range sortedKeys(m.Operations) {
		if fit := content.fits(m, m.Operations[name], r.Method); fit > most {
			best, most = name, fit
		}
	}
	if best == "" {
		return "", nil, depart(outside, "Action", "Nothing is asked for by %s %s", r.Method, r.URL)
	}
	if err := content.unwrap(); err != nil {
		return best, nil, err
	}
	return best, content, nil
}

// locateObject finds the bucket and the object. The bucket is in the path, or in
// front of the host.
func locateObject(r *http.Request) map[string]string {
	host, path := r.Host, strings.TrimPrefix(r.URL.Path, "/")
	if host == "" {
		host = r.URL.Host
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, suffix := range []string{".aws.test", ".amazonaws.com"} {
		name, ok := strings.CutSuffix(host, suffix)
		if bucket, _, more := strings.Cut(name, ".s3."); ok && more {
			path = bucket + "/" + path
		} else if ok && suffix == ".aws.test" {
			path = name + "/" + path
		}
	}
	out := map[string]string{}
	bucket, key, _ := strings.Cut(path, "/")
	if bucket != "" {
		out["Bucket"] = bucket
	}
	if key != "" {
		out["Key"] = key
	}
	return out
}

// fits counts what of a request is particular to an operation, or gives -1 for one
// that it cannot be.
func (c restRequest) fits(m *model, o operation, method string) int {
	path, literal, _ := strings.Cut(o.HTTP.RequestURI, "?")
	wanted := "/"
	if c.path["Bucket"] != "" {
		wanted = "/{Bucket}"
	}
	if c.path["Key"] != "" {
		wanted += "/{Key+}"
	}
	if o.HTTP.Method != method || path != wanted {
		return -1
	}
	n := 0
	for name, values := range must(url.ParseQuery(literal)) {
		if !c.query.Has(name) || values[0] != "" && c.query.Get(name) != values[0] {
			return -1
		}
		n += 2
	}
	if o.Input == nil {
		return n
	}
	input := m.Shapes[o.Input.Shape]
	for _, name := range input.Required {
		switch r := input.Members[name]; {
		case r.Location == "header" && c.header.Get(r.LocationName) == "", r.Location == "querystring" && !c.query.Has(r.LocationName):
			return -1
		case r.Location != "uri":
			n++
		}
	}
	return n
}

// must is for what the models of AWS have in order.
func must[T any](v T, _ error) T { return v }

func (p restProtocol) decode(m *model, shape string, content any) (fields, error) {
	c, _ := content.(restRequest)
	s := m.Shapes[shape]
	out := fields{}
	for name, r := range s.Members {
		raw, there := "", false
		switch r.Location {
		case "uri":
			raw, there = c.path[r.LocationName]
		case "header":
			raw = c.header.Get(r.LocationName)
			there = raw != ""
			c.header.Del(r.LocationName)
		case "querystring":
			raw, there = c.query.Get(r.LocationName), c.query.Has(r.LocationName)
			c.query.Del(r.LocationName)
		case "headers":
			if found := c.prefixed(r.LocationName); len(found) > 0 {
				out[name] = found
			}
		}
		if !there {
			continue
		}
		v, err := restScalar(m.Shapes[r.Shape], name, raw)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	if err := c.left(m); err != nil {
		return nil, err
	}
	return out, p.payload(m, s, c.body, out)
}

// restScalar reads a value outside of XML, where times are written as HTTP does.
func restScalar(s *shape, path, raw string) (any, error) {
	if s.Type == "timestamp" {
		if t, err := http.ParseTime(raw); err == nil {
			return t, nil
		}
	}
	return s.scalar(path, raw)
}

// prefixed takes what all headers have that begin so.
func (c restRequest) prefixed(prefix string) map[string]string {
	out := map[string]string{}
	for name := range maps.Clone(c.header) {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), prefix); ok {
			out[rest] = c.header.Get(name)
			c.header.Del(name)
		}
	}
	return out
}

// left refuses what is left of a request when everything that the operation knows
// was taken.
func (c restRequest) left(m *model) error {
	// What belongs to the signature, and to how it is sent.
	general := []string{
		"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent", "x-amz-decoded-content-length", "x-amz-trailer",
	}
	for name := range c.header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(general, name) && sums()[name] == nil {
			return depart(unknown, name, "The header %s is not recognized", name)
		}
	}
	for name := range c.query {
		literal := slices.ContainsFunc(slices.Collect(maps.Values(m.Operations)), func(o operation) bool {
			_, query, _ := strings.Cut(o.HTTP.RequestURI, "?")
			return must(url.ParseQuery(query)).Has(name)
		})
		if name != "x-id" && !literal {
			return depart(unknown, name, "The parameter %s is not recognized", name)
		}
	}
	return nil
}

// payload reads what a request carries: an object, or a structure in XML.
func (p restProtocol) payload(m *model, s *shape, body []byte, out fields) error {
	r, ok := s.Members[s.Payload]
	switch {
	case !ok && len(body) > 0 && s.Members["Body"].Shape == "":
		return depart(unknown, "", "Nothing is to be in the body of this request")
	case s.Members["Body"].Shape != "":
		out["Body"] = body
		return nil
	case len(body) == 0:
		return nil
	}
	var root element
	if err := xml.Unmarshal(body, &root); err != nil {
		return depart(mistyped, s.Payload, "The XML you provided was not well-formed: %v", err)
	}
	if root.XMLName.Local != r.LocationName {
		return depart(unknown, root.XMLName.Local, "The element is %s, not %s", root.XMLName.Local, r.LocationName)
	}
	v, err := root.value(m, r.Shape, s.Payload)
	out[s.Payload] = v
	return err
}

// answer writes what goes into headers there, and the rest as XML, or as it is.
func (p restProtocol) answer(m *model, action, request string, out fields) (cloudtest.Answer, error) {
	o := m.Operations[action]
	got := cloudtest.Answer{Status: cmp.Or(o.HTTP.ResponseCode, http.StatusOK), Header: http.Header{"X-Amz-Request-Id": {request}}}
	if o.Output == nil {
		return got, nil
	}
	s := m.Shapes[o.Output.Shape]
	rest := fields{}
	for _, name := range sortedKeys(out) {
		r, ok := s.Members[name]
		switch {
		case absent(out[name]):
		case !ok:
			return cloudtest.Answer{}, broken(action, "%s has no %s", o.Output.Shape, name)
		case r.Location != "":
			if err := m.setHeader(got.Header, name, r, out[name]); err != nil {
				return cloudtest.Answer{}, err
			}
		default:
			rest[name] = out[name]
		}
	}
	err := p.write(m, o.Output.Shape, rest, &got)
	return got, err
}

// setHeader writes a value to the header that it has in an answer, or the headers.
func (m *model) setHeader(header http.Header, name string, to reference, value any) error {
	if to.Location == "headers" {
		texts, _ := value.(map[string]string)
		for _, key := range sortedKeys(texts) {
			header.Set(to.LocationName+key, texts[key])
		}
		return nil
	}
	s := m.Shapes[to.Shape]
	if t, ok := value.(time.Time); ok && s.Type == "timestamp" {
		header.Set(to.LocationName, t.UTC().Format(http.TimeFormat))
		return nil
	}
	text, err := s.write(name, value)
	header.Set(to.LocationName, text)
	return err
}

// write writes the body of an answer, if it has one.
func (p restProtocol) write(m *model, shape string, value fields, got *cloudtest.Answer) error {
	s := m.Shapes[shape]
	payload := s.Members[s.Payload]
	x := &xmlWriter{model: m, list: "member"}
	var err error
	switch {
	case payload.Shape != "" && m.Shapes[payload.Shape].Type == "blob":
		got.Body, _ = value[s.Payload].([]byte)
		return nil
	case payload.Shape != "":
		err = x.value(payload.Shape, s.Payload, value[s.Payload])
	case slices.ContainsFunc(slices.Collect(maps.Values(s.Members)), func(r reference) bool { return r.Location == "" }):
		err = x.value(shape, strings.TrimSuffix(shape, "Output")+"Result", value)
	default:
		return nil
	}
	got.Header.Set("Content-Type", "application/xml")
	got.Body = x.bytes()
	return err
}

func (p restProtocol) refuse(request string, e *Error) cloudtest.Answer {
	x := new(xmlWriter)
	x.open("Error", "")
	x.text("Code", e.Code)
	x.text("Message", e.Message)
	x.text("RequestId", request)
	x.close("Error")
	return cloudtest.Said(e.Status, "application/xml", x.bytes())
}

func (p restProtocol) code(f fault) string {
	if f == mistyped {
		return "MalformedXML"
	}
	return "InvalidArgument"
}

func (p restProtocol) unauthorized() *Error {
	return refusal(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
}

func (p restProtocol) forbidden(by, permission string) *Error {
	return refusal(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s", by, permission)
}

// element is XML as it comes.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Elements []element `xml:",any"`
}

// value reads an element as a shape.
func (e element) value(m *model, shape, path string) (any, error) {
	s := m.Shapes[shape]
	switch s.Type {
	case "structure":
		return e.structure(m, s, path)
	case "list":
		out := make([]any, 0, len(e.Elements))
		for i, inner := range e.Elements {
			if name := s.Member.LocationName; name != "" && inner.XMLName.Local != name {
				return nil, depart(unknown, path, "%s is a list of %s", path, name)
			}
			v, err := inner.value(m, s.Member.Shape, path+"."+strconv.Itoa(i+1))
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	return s.scalar(path, strings.TrimSpace(e.Text))
}

func (e element) structure(m *model, s *shape, path string) (any, error) {
	out := fields{}
	for _, inner := range e.Elements {
		name, r := s.called(inner.XMLName.Local)
		if name == "" {
			return nil, depart(unknown, cloudtest.Join(path, inner.XMLName.Local), "The element %s is not recognized", cloudtest.Join(path, inner.XMLName.Local))
		}
		if list := m.Shapes[r.Shape]; list.Type == "list" && list.Flattened {
			v, err := inner.value(m, list.Member.Shape, cloudtest.Join(path, name))
			if err != nil {
				return nil, err
			}
			before, _ := out[name].([]any)
			out[name] = append(before, v)
			continue
		}
		v, err := inner.value(m, r.Shape, cloudtest.Join(path, name))
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// called finds a member by what it is called on the wire.
func (s *shape) called(tag string) (string, reference) {
	for name, r := range s.Members {
		if r.LocationName == tag || r.LocationName == "" && name == tag {
			return name, r
		}
	}
	return "", reference{}
}
