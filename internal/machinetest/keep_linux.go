// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Ground is what is written on a machine, other than in what systems find empty when
// they start. It lasts longer than the machine: the next one that is given it goes on
// where that has ended, as one does that is started again. The zero value has nothing
// on it yet.
type Ground struct {
	// mounts is the namespace that the machine's mounts are in. The kernel keeps it for
	// as long as it is open here, and no longer than this process.
	mounts *os.File
}

// Close gives up what was kept.
func (g *Ground) Close() {
	if g.mounts != nil {
		_ = g.mounts.Close() // it was only kept open
		g.mounts = nil
	}
}

// keep keeps the ground of a first process.
func (g *Ground) keep(pid int) error {
	g.Close()
	var err error
	g.mounts, err = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	return err
}

// isLaid reports whether there is ground to go on with: a machine may have ended before
// that.
func (g *Ground) isLaid() bool {
	if g == nil || g.mounts == nil {
		return false
	}
	found := make(chan bool)
	go func() {
		runtime.LockOSThread() // which is not to be anybody's afterwards
		err := g.enter()
		if err == nil {
			_, err = os.Stat(laid)
		}
		found <- err == nil
	}()
	return <-found
}

// enter takes the thread to the ground, for good.
func (g *Ground) enter() error {
	// Threads share what they take for the root directory until they say otherwise.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("going to the ground of a machine: %w", err)
	}
	if err := unix.Setns(int(g.mounts.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("going to the ground of a machine: %w", err)
	}
	return nil
}
