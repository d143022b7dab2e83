// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// batch answers several requests that were sent as the parts of one, which is how the
// command line of Google asks for several things at once.
func (g *GCP) batch(r *http.Request, body []byte) cloudtest.Answer {
	_, options, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return refusal(http.StatusBadRequest, "badRequest", "A batch has parts: %v", err).answer()
	}
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	for in := multipart.NewReader(bytes.NewReader(body), options["boundary"]); ; {
		part, err := in.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = g.answerPart(r, part, parts)
		}
		if err != nil {
			return refusal(http.StatusBadRequest, "badRequest", "A part of the batch is broken: %v", err).answer()
		}
	}
	if err := parts.Close(); err != nil {
		return InternalError().answer()
	}
	return cloudtest.Said(http.StatusOK, "multipart/mixed; boundary="+parts.Boundary(), out.Bytes())
}

// answerPart answers one request of a batch. Who calls may be said for all of them.
func (g *GCP) answerPart(whole *http.Request, part *multipart.Part, out *multipart.Writer) error {
	from := bufio.NewReader(part)
	r, err := http.ReadRequest(from)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		if body, err = io.ReadAll(from); err != nil { // its length need not be said
			return err
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", whole.Header.Get("Authorization"))
	}
	got := g.answer(r.WithContext(whole.Context()))
	w, err := out.CreatePart(textproto.MIMEHeader{
		"Content-Type": {"application/http"},
		"Content-Id":   {"<response-" + strings.TrimPrefix(part.Header.Get("Content-Id"), "<")},
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		got.Status, http.StatusText(got.Status), got.Header.Get("Content-Type"), len(got.Body), got.Body)
	return err
}
