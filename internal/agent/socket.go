// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
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
