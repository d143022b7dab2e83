// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package machinetest makes machines for tests: a process and all that comes of
// it, apart from the computer it runs on as far as a rented machine is, which
// starts with user data, has a service manager, and can be shut down, cut off from
// power, or frozen.
//
// # What is real
//
// A machine has its own processes: it is a PID namespace, and when its first
// process ends the kernel ends all others. It has its own files: the directories
// that a system writes to are overlays of the computer's, /opt, /run and /tmp are
// empty at first, and what is written is gone with the machine. It has its own host
// name. Its network is the computer's, so that a machine takes an address of its
// own on loopback for itself; whatever makes the machine chooses it.
//
// User data is carried out as cloud-init would: write_files and runcmd of a
// #cloud-config, or a script. What else cloud-init can do is refused and not
// ignored. systemctl, shutdown, poweroff and halt are programs of this package that
// talk to the machine's first process, wherever they are looked for, and so is iptables,
// which is understood as far as it opens ports, but does nothing.
//
// A machine with [Ground] can be followed by one that finds what it has written. With
// Options.Fixed its system is like Container-Optimized OS: /usr, /opt, /root and their
// like cannot be written to, programs cannot be run in /var, /home and /tmp other than
// below /var/lib/google, docker, toolbox and cloud, and what is written to /etc is gone
// when it starts again. Its programs are the computer's all the same; / itself, /mnt,
// /dev and /sys are as they are there; and no port is closed.
//
// # What it needs
//
// Linux, and to be root. [Need] skips a test where that is not so, or fails it when
// CI=true is set: what cannot be tested there is not to go unnoticed.
//
// The first process is the test binary itself, and so are systemctl and the others:
// the TestMain of a package whose tests make machines begins with
//
//	if machinetest.Be() {
//		return
//	}
//
// # The end
//
// When the process that has started a machine ends, however it does, the kernel
// kills the machine's first process, and so everything on it; mounts are the
// machine's own, and go with it too. A test has nothing to clear away.
package machinetest
