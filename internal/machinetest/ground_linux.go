// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// searchPath is where a machine's programs are.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	// scratch is what is written to, as long as it can be seen.
	scratch = "/run/scratch"
	// self is this program, as it is on a machine.
	self = "/run/machine/program"
	// laid is there when all of the ground is.
	laid = "/run/machine/laid"
)

// layGround gives the machine files and a name of its own. What was laid for it before
// is there still, but for what no system keeps when it starts again.
func layGround(b birth) error {
	if err := syscall.Sethostname([]byte(b.Hostname)); err != nil {
		return fmt.Errorf("naming the machine: %w", err)
	}
	all := []string{"bin", "etc", "home", "lib", "root", "sbin", "srv", "usr", "var"}
	layAll := func() error { return layOver(all) }
	emptyAll := func() error { return empty("/run", "/opt", "/tmp") }
	steps := []func() error{part, layAll, emptyAll, mountProc, placePrograms}
	if b.Fixed {
		steps = append(steps, fix)
	}
	if b.Again {
		steps = []func() error{mountProc}
		if b.Fixed {
			steps = append(steps, forget)
		}
		steps = append(steps, func() error { return empty("/run", "/tmp") })
	}
	for _, step := range append(steps, func() error { return os.WriteFile(laid, nil, 0o644) }) {
		if err := step(); err != nil {
			return fmt.Errorf("giving the machine files of its own: %w", err)
		}
	}
	return nil
}

// part has nothing that is mounted here be seen elsewhere.
func part() error { return mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") }

// layOver lays something to write to over directories that a system writes to.
func layOver(names []string) error {
	if err := mount("scratch", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, name := range names {
		dir := "/" + name
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue // such as a /bin that leads to /usr/bin
		} else if err != nil {
			return err
		}
		upper, work := filepath.Join(scratch, name, "upper"), filepath.Join(scratch, name, "work")
		for _, made := range []string{upper, work} {
			if err := os.MkdirAll(made, 0o755); err != nil {
				return err
			}
		}
		if err := os.Chmod(upper, info.Mode().Perm()); err != nil {
			return err
		}
		if err := mount("overlay", dir, "overlay", 0, "lowerdir="+dir+",upperdir="+upper+",workdir="+work); err != nil {
			return err
		}
	}
	return nil
}

// empty empties what a system finds empty. This program, which may be there, is
// kept.
func empty(dirs ...string) error {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer program.Close()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		options := "mode=755"
		if dir == "/tmp" {
			options = "mode=1777"
		}
		if err := mount("empty", dir, "tmpfs", 0, options); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(self), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(self, nil, 0o755); err != nil {
		return err
	}
	return mount(fmt.Sprintf("/proc/self/fd/%d", program.Fd()), self, "", syscall.MS_BIND, "")
}

func mountProc() error { return mount("proc", "/proc", "proc", 0, "") }

// placePrograms puts the programs that would end the computer, or ask its service
// manager, out of reach.
func placePrograms() error {
	for _, dir := range filepath.SplitList(searchPath) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		for _, name := range programs() {
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := os.Symlink(self, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func mount(what, where, kind string, flags uintptr, options string) error {
	if err := syscall.Mount(what, where, kind, flags, options); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", what, where, err)
	}
	return nil
}
