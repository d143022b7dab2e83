// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"os"
	"path/filepath"
	"syscall"
)

// fix has the system be as Container-Optimized OS is: nothing of it can be changed, and
// of what can be written to, programs are run in few places only.
func fix() error {
	for _, name := range []string{"docker", "google", "toolbox", "cloud"} {
		dir := filepath.Join("/var/lib", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		// A mount of its own, which what is said of /var is not said of.
		if err := mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	for dir, flags := range map[string]uintptr{
		"/bin": syscall.MS_RDONLY, "/lib": syscall.MS_RDONLY, "/opt": syscall.MS_RDONLY, "/root": syscall.MS_RDONLY, "/sbin": syscall.MS_RDONLY,
		"/srv": syscall.MS_RDONLY, "/usr": syscall.MS_RDONLY, "/home": syscall.MS_NOEXEC, "/tmp": syscall.MS_NOEXEC, "/var": syscall.MS_NOEXEC,
	} {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue // such as a /bin that leads to /usr/bin
		}
		if err := mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|flags, ""); err != nil {
			return err
		}
	}
	return nil
}

// forget has nothing be there any more of what such a system forgets when it starts
// again: of what was written to /etc.
func forget() error {
	if err := syscall.Unmount("/etc", syscall.MNT_DETACH); err != nil {
		return err
	}
	if err := mount("scratch", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	return layOver([]string{"etc"})
}
