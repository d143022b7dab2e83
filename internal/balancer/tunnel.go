// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// errUpgrade is a backend that switches to a protocol nobody asked for.
var errUpgrade = errors.New("the replica switched to a protocol that was not asked for")

// errEarly is a backend that switches while it is still being spoken to.
var errEarly = errors.New("the replica switched protocols before it had the whole request")

// tunnel passes bytes between the client and the backend, in both directions,
// once they have agreed on another protocol. Each may close its direction alone.
func (x *exchange) tunnel(resp *http.Response) error {
	asked, got := upgradeOf(x.request.Header), upgradeOf(resp.Header)
	if asked == "" || !strings.EqualFold(asked, got) {
		return &failure{backend: x.backend, err: errUpgrade, sent: true}
	}
	// Until its end the body is read from the connection that is to be taken over.
	if !x.sending.finished(&x.body) {
		return &failure{backend: x.backend, err: errEarly, sent: true}
	}
	client, buffered, err := http.NewResponseController(x.client).Hijack()
	if err != nil {
		return fmt.Errorf("taking over the client's connection: %w", err)
	}
	defer client.Close()
	x.status = http.StatusSwitchingProtocols
	head := []byte("HTTP/1.1 101 Switching Protocols\r\n")
	for name, values := range resp.Header {
		for _, value := range values {
			head = appendField(head, name, value)
		}
	}
	if _, err := client.Write(append(head, "\r\n"...)); err != nil {
		return nil // the client is gone, and nobody else is to blame
	}
	// What the server has read already goes first. The rest is not read through
	// it: it would take the end of this direction for the end of the request.
	early, _ := buffered.Peek(buffered.Reader.Buffered())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		x.pour(client, x.conn, x.conn, io.MultiReader(bytes.NewReader(early), client))
	}()
	x.pour(client, x.conn, client, x.conn.reader)
	<-sent
	x.lost(nil)
	return nil
}

// pour copies one direction of a tunnel. Where it breaks, both are at an end.
func (x *exchange) pour(client net.Conn, backend *conn, to net.Conn, from io.Reader) {
	_, err := io.Copy(to, from)
	if err == nil {
		if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			return
		}
	}
	client.Close()
	backend.Conn.Close()
}
