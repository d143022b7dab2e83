// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// live sends the changing part of the page, now and after every change, until
// the reader goes. When the service goes, or its controller, that is shown, and
// the browser comes back by itself to see whether it has returned.
func (h *handler) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	var failed error
	send := func(v view) bool {
		var html bytes.Buffer
		if failed = h.page.ExecuteTemplate(&html, "now", v); failed != nil {
			return false
		}
		if _, failed = w.Write(message(html.String())); failed != nil {
			return false
		}
		failed = out.Flush()
		return failed == nil
	}
	if err := h.follow(r.Context(), send); err != nil && failed == nil && r.Context().Err() == nil {
		send(unseen(h.service, err))
	}
}

// follow shows the service whenever it has changed.
func (h *handler) follow(ctx context.Context, show func(view) bool) error {
	client, err := h.find(ctx)
	if err != nil {
		return err
	}
	var past history
	var unread error
	err = client.Watch(ctx, func(s serve.Service) bool {
		if unread = past.read(ctx, client); unread != nil {
			return false
		}
		return show(describe(s, past.events, time.Now()))
	})
	return errors.Join(err, unread)
}

// message is a server-sent event: every line of its data has a field of its own.
// A browser that was cut off asks again after two seconds.
func message(data string) []byte {
	var b bytes.Buffer
	b.WriteString("retry: 2000\n")
	for line := range strings.Lines(data) {
		fmt.Fprintf(&b, "data: %s\n", strings.TrimRight(line, "\r\n"))
	}
	b.WriteString("\n")
	return b.Bytes()
}
