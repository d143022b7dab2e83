// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// unacknowledged is after how long without an acknowledgement a connection is
// given up, so that a machine that has vanished does not hold up its requests for
// the quarter of an hour that TCP would go on trying.
const unacknowledged = 10 * time.Second

// keepAlive asks the other end of an idle connection whether it is there.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: heartbeat, Interval: heartbeat, Count: 4}
}

// control prepares a socket, before it connects or listens; a socket that is
// accepted has the settings of the one it came by.
func control(_, _ string, conn syscall.RawConn) error {
	var set error
	err := conn.Control(func(fd uintptr) { set = impatient(fd, int(unacknowledged.Milliseconds())) })
	if err != nil {
		return err
	}
	return set
}

func dialer() *net.Dialer {
	return &net.Dialer{Timeout: patience, KeepAliveConfig: keepAlive(), Control: control}
}

func listenConfig() net.ListenConfig {
	return net.ListenConfig{KeepAliveConfig: keepAlive(), Control: control}
}

// errBrokenOff is a connection that ended without a word.
var errBrokenOff = errors.New("the connection broke off")

// plain is a connection below TLS. That it ends is told within TLS, and otherwise
// a failure: crypto/tls would take it for the end, and half an answer for a whole one.
type plain struct{ net.Conn }

// Read implements [net.Conn].
func (p plain) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = errBrokenOff
	}
	return n, err
}

// plainListener accepts connections below TLS.
type plainListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l plainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plain{conn}, nil
}
