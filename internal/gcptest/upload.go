// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// upload is an object that comes in pieces, of which a session is begun by its name.
type upload struct {
	bucket string
	begun  match // by which call
	in     fields
	params fields
	by     grant
	data   []byte
}

// uploadPath is where pieces are sent to.
const uploadPath = "/upload/storage/v1/b/"

// begun begins to take an object in pieces. Where they are to be sent is told in a
// header.
func (c *call) begun(b *bucket, in fields) {
	id := "ABP" + c.number()
	c.storage.uploads[id] = &upload{
		bucket: b.name, begun: match{service: c.service, method: c.method, upload: true}, in: in, params: c.parameters, by: grant{by: c.by, scopes: c.scopes},
	}
	at := url.URL{Scheme: c.request.URL.Scheme, Host: c.request.Host, Path: c.request.URL.Path}
	if at.Scheme == "" {
		at.Scheme = "http"
	}
	if at.Host == "" {
		at.Host = c.request.URL.Host
	}
	query := c.request.URL.Query()
	query.Set("upload_id", id)
	at.RawQuery = query.Encode()
	c.reply = &content{kind: "text/plain", header: http.Header{"Location": {at.String()}, "X-Guploader-Uploadid": {id}}}
}

// resume takes a piece of an object. What is missing is told by a status that is none
// of an error, unless the client asks for another way of saying so.
func (g *GCP) resume(r *http.Request, body []byte) cloudtest.Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.storage.uploads[r.URL.Query().Get("upload_id")]
	if u == nil {
		return refusal(http.StatusNotFound, "notFound", "The upload is not known, or is over.").answer()
	}
	c := &call{
		GCP: g, service: u.begun.service, method: u.begun.method, request: r, now: time.Now(), parameters: u.params, by: u.by.by, scopes: u.by.scopes,
	}
	g.books.calls[c.method.ID+" (a piece)"]++
	if _, err := g.caller(r, c.now); !err {
		return refusal(http.StatusUnauthorized, "authError", "Request had invalid authentication credentials.").answer()
	}
	got := regexp.MustCompile(`^bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$`).FindStringSubmatch(r.Header.Get("Content-Range"))
	if got == nil {
		return g.refused(c, depart("The range %q is none of content", r.Header.Get("Content-Range"))).answer()
	}
	if from, err := strconv.Atoi(got[1]); err == nil && from != len(u.data) {
		return refusal(http.StatusBadRequest, "invalid", "The piece begins at %d, and there are %d bytes.", from, len(u.data)).answer()
	}
	if got[1] != "" {
		u.data = append(u.data, body...)
	}
	if total, err := strconv.Atoi(got[3]); err != nil || total != len(u.data) {
		return more(r, len(u.data))
	}
	delete(g.storage.uploads, r.URL.Query().Get("upload_id"))
	c.media = &content{kind: "application/octet-stream", data: u.data}
	return g.perform(c, u.in)
}

// more says how much there is by now of what is to come.
func more(r *http.Request, n int) cloudtest.Answer {
	a := cloudtest.Answer{Status: http.StatusPermanentRedirect, Header: http.Header{}}
	if n > 0 {
		a.Header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	}
	if r.Header.Get("X-GUploader-No-308") == "yes" {
		a.Status = http.StatusOK
		a.Header.Set("X-Http-Status-Code-Override", "308")
	}
	return a
}
