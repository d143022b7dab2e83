// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// service is one API of Google: its model, what it does of that, and which
// permissions it wants for it.
type service struct {
	name    string
	model   *model
	methods map[string]handler
	needs   func(c *call, in fields) []need
}

// handler carries out a method, with the cloud locked, on a request that is as the
// model wants it. It fails with an *Error.
type handler func(c *call, in fields) (fields, error)

// call is one request as its handler sees it.
type call struct {
	*GCP
	service    *service
	method     *method
	parameters fields
	request    *http.Request
	now        time.Time
	by         string   // who calls
	scopes     []string // what they may do by the token that they have
	media      *content // that was sent beside the request, or in place of it
	reply      *content // that goes back in place of fields
}

// content is what is no JSON.
type content struct {
	kind   string
	header http.Header
	data   []byte
	status int // of HTTP, if it is not 200
	// session is content that is yet to come, in pieces.
	session bool
}

func (c *call) param(name string) string { return c.parameters.Text(name) }

// newServices gives every API that there is here, with its model. A new one needs its
// row, its methods, and what it asks of those who call.
func newServices() ([]*service, error) {
	var services []*service
	for _, row := range []struct {
		path    string
		methods map[string]handler
		needs   func(c *call, in fields) []need
	}{
		{"compute/v1", computeMethods(), computeNeeds},
		{"iamcredentials/v1", credentialMethods(), credentialNeeds},
		{"cloudresourcemanager/v1", resourceMethods(), resourceNeeds},
		{"iam/v1", identityMethods(), identityNeeds},
		{"storage/v1", storageMethods(), storageNeeds},
		{"cloudbilling/v1", billingMethods(), billingNeeds},
	} {
		m, err := models.Read(row.path)
		if err != nil {
			return nil, err
		}
		for id := range row.methods {
			if !m.has(id) {
				return nil, fmt.Errorf("the API %s has no method %s", row.path, id)
			}
		}
		services = append(services, &service{name: m.Name, model: m, methods: row.methods, needs: row.needs})
	}
	return services, nil
}

// ServeHTTP implements [http.Handler].
func (g *GCP) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.answer(r).Write(w) }

// answer does what a request asks for, and fails the test if the request could not
// have been meant for Google, or the answer could not have come from it.
func (g *GCP) answer(r *http.Request) cloudtest.Answer {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return refusal(http.StatusBadRequest, "badRequest", "%v", err).answer()
		}
	}
	if g.isDown() {
		return Unavailable().answer()
	}
	switch {
	case r.URL.Path == tokenPath:
		return g.exchange(r, body)
	case strings.HasPrefix(r.URL.Path, "/batch/"):
		return g.batch(r, body)
	case strings.HasPrefix(r.URL.Path, uploadPath) && r.URL.Query().Has("upload_id"):
		return g.resume(r, body)
	}
	found, ok := g.find(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok {
		g.depart(fmt.Sprintf("there is no method for %s %s", r.Method, r.URL))
		return refusal(http.StatusNotFound, "notFound", "Not Found").answer()
	}
	c := &call{GCP: g, service: found.service, method: found.method, request: r, now: time.Now()}
	g.books.calls[found.method.ID]++
	who, ok := g.caller(r, c.now)
	if !ok {
		return refusal(http.StatusUnauthorized, "authError", "Request had invalid authentication credentials. "+
			"Expected OAuth 2 access token, login cookie or other valid authentication credential.").answer()
	}
	c.by, c.scopes = who.by, who.scopes
	in, err := c.read(found, body)
	if err != nil {
		return g.refused(c, err).answer()
	}
	return g.perform(c, in)
}

func (g *GCP) perform(c *call, in fields) cloudtest.Answer {
	verdict := g.judge(c, in)
	if verdict.Err != nil {
		return verdict.Err.answer()
	}
	out, err := c.service.methods[c.method.ID](c, in)
	got, err := c.conclude(out, err)
	if err != nil {
		g.errorf("%s: the model of Google does not allow this answer: %v", c.method.ID, err)
		got = InternalError().answer()
	}
	got.Lost = verdict.Lose
	return got
}

// conclude writes what a handler has said.
func (c *call) conclude(out fields, err error) (cloudtest.Answer, error) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.answer(), nil
	} else if err != nil {
		return cloudtest.Answer{}, err
	}
	if r := c.reply; r != nil {
		header := r.header.Clone()
		if header == nil {
			header = http.Header{}
		}
		header.Set("Content-Type", r.kind)
		return cloudtest.Answer{Status: max(r.status, http.StatusOK), Header: header, Body: r.data}, nil
	}
	body, err := c.service.model.write(c.method, out)
	if err != nil {
		return cloudtest.Answer{}, err
	}
	if body == nil {
		return cloudtest.Answer{Status: http.StatusNoContent, Header: http.Header{}}, nil
	}
	return cloudtest.Said(http.StatusOK, "application/json; charset=UTF-8", body), nil
}

// read holds a request to the model.
func (c *call) read(found match, body []byte) (fields, error) {
	if c.service.methods[c.method.ID] == nil {
		return nil, depart("the method is one of Google's, but not done by package gcptest")
	}
	var err error
	if c.parameters, err = c.service.model.parameters(c.method, found.path, c.request.URL.Query()); err != nil {
		return nil, err
	}
	if found.upload {
		if body, err = c.parts(body); err != nil {
			return nil, err
		}
	}
	if found.upload && len(body) == 0 {
		return fields{}, nil // all of it was in the parameters
	}
	return c.service.model.body(c.method, body)
}

// parts takes content that is uploaded from what is said of it.
func (c *call) parts(body []byte) ([]byte, error) {
	kind := c.request.Header.Get("Content-Type")
	switch c.param("uploadType") {
	case "media":
		c.media = &content{kind: kind, data: body}
		return nil, nil
	case "resumable":
		c.media = &content{kind: c.request.Header.Get("X-Upload-Content-Type"), session: true}
		return body, nil
	case "multipart":
		// Google's command line has other quotes around the boundary than there should be.
		_, options, err := mime.ParseMediaType(strings.ReplaceAll(kind, "'", `"`))
		if err != nil {
			return nil, depart("The content is of type %q, which has no parts: %v", kind, err)
		}
		var parts [][]byte
		var kinds []string
		for r := multipart.NewReader(bytes.NewReader(body), options["boundary"]); len(parts) < 2; {
			part, err := r.NextPart()
			if err != nil {
				return nil, depart("There are %d parts of content, and not two: %v", len(parts), err)
			}
			data, err := io.ReadAll(part)
			if err != nil {
				return nil, depart("A part of the content is broken: %v", err)
			}
			parts, kinds = append(parts, data), append(kinds, part.Header.Get("Content-Type"))
		}
		c.media = &content{kind: kinds[1], data: parts[1]}
		return parts[0], nil
	}
	return nil, depart("An upload of type %q is not done by package gcptest", c.param("uploadType"))
}

// refused notes a request that departs from the model, and says how Google would
// refuse it. The cloud is locked.
func (g *GCP) refused(c *call, err error) *Error {
	g.depart(c.method.ID + ": " + err.Error())
	return refusal(http.StatusBadRequest, "badRequest", "%v", err)
}

// depart notes that a request is none of Google's. The cloud is locked.
func (g *GCP) depart(told string) {
	g.books.refused = append(g.books.refused, told)
	if !g.faults.Departures {
		g.errorf("a request departs from Google's own model: %s", told)
	}
}
