// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package balancer

import "syscall"

// alive reports whether an idle connection can be used: the other side has
// neither closed it nor said anything unasked. It is a look that does not wait.
func (c *conn) alive() bool {
	if c.raw == nil {
		socket, ok := c.Conn.(syscall.Conn)
		if !ok {
			return true // not a socket: it will be found out
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			return false
		}
		c.raw = raw
		var b [1]byte
		c.look = func(fd uintptr) bool {
			_, err := syscall.Read(int(fd), b[:])
			c.quiet = err == syscall.EAGAIN
			return true
		}
	}
	return c.raw.Read(c.look) == nil && c.quiet
}
