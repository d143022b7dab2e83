// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// drainPatience is for how long what a script has printed is waited for when it
// has ended. A process it has left in the background may hold its output open.
const drainPatience = 100 * time.Millisecond

// attach gives cmd an output of its own to print to. To be called when cmd has
// ended, drained waits until what it printed is in the log. The copying goes on
// for as long as anyone has the output open: a server that run has left in the
// background must not be killed by its first line.
func attach(cmd *exec.Cmd, log io.Writer) (drained func(), err error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making an output: %w", err)
	}
	cmd.Stdout, cmd.Stderr = to, to
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer from.Close()
		_, _ = io.Copy(lossy{log}, from)
	}()
	return func() {
		to.Close()
		select {
		case <-done:
		case <-time.After(drainPatience):
		}
	}, nil
}

// lossy loses what it cannot write: a full disk must not stop the program too.
type lossy struct{ to io.Writer }

func (l lossy) Write(p []byte) (int, error) {
	_, _ = l.to.Write(p)
	return len(p), nil
}
