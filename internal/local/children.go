// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"os/exec"
	"sync"
)

// children are the detached processes this process has started. They are
// nobody's to supervise, but when one dies while this process lives, it has to
// be waited for, or it would stay in the process table.
type children struct {
	mu sync.Mutex
	by map[process]*exec.Cmd
}

// adopt remembers a child.
func (c *children) adopt(p process, cmd *exec.Cmd) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[process]*exec.Cmd)
	}
	c.by[p] = cmd
}

// reap waits for a process that has ended, if it is a child.
func (c *children) reap(p process) {
	c.mu.Lock()
	cmd := c.by[p]
	delete(c.by, p)
	c.mu.Unlock()
	if cmd != nil {
		// How it ended is not news: it was killed, or has said so itself.
		_ = cmd.Wait()
	}
}
