// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// service is a unit that was started.
type service struct {
	unit

	stop chan struct{} // is closed when it is to end
	over chan struct{} // is closed when it has
}

// unitName is what a service is called, which may be given by its file.
func unitName(name string) string {
	name = filepath.Base(name)
	if filepath.Ext(name) == "" {
		name += ".service"
	}
	return name
}

// install puts the file of a service where it is found by its name.
func (s *system) install(path string) error {
	if !filepath.IsAbs(path) {
		_, err := os.Stat(filepath.Join(unitDir, unitName(path)))
		return err
	}
	if err := os.MkdirAll(unitDir, 0o755); err != nil {
		return err
	}
	link := filepath.Join(unitDir, unitName(path))
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(path, link)
}

func (s *system) startUnit(name string) error {
	name = unitName(name)
	text, err := os.ReadFile(filepath.Join(unitDir, name))
	if err != nil {
		return err
	}
	u, err := readUnit(string(text))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.services[name]; before != nil && !before.ended() {
		return nil
	}
	v := &service{unit: u, stop: make(chan struct{}), over: make(chan struct{})}
	s.services[name] = v
	go s.keep(name, v)
	return nil
}

func (v *service) ended() bool { return closed(v.over) }

func (v *service) stopped() bool { return closed(v.stop) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *system) active(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.services[unitName(name)]
	return v != nil && !v.ended()
}

// stopUnit returns when nothing of a service is there any more.
func (s *system) stopUnit(name string) {
	s.mu.Lock()
	v := s.services[unitName(name)]
	if v == nil {
		s.mu.Unlock()
		return
	}
	if !v.stopped() {
		close(v.stop)
	}
	s.mu.Unlock()
	<-v.over
}

// keep has a service run for as long as it is to.
func (s *system) keep(name string, v *service) {
	defer close(v.over)
	for {
		invocation := "INVOCATION_ID=" + newInvocation()
		pid, ended, err := s.start(v.start, invocation)
		if err != nil {
			s.say("starting %s: %v", name, err)
		} else {
			s.say("%s ends with %s", name, s.attendTo(v, pid, ended))
			s.killAll(invocation)
		}
		select {
		case <-v.stop:
			return
		case <-time.After(v.pause):
		}
		if !v.again || v.stopped() {
			return
		}
	}
}

// attendTo waits for the main process of a service to end. When the service is
// stopped it is asked to, and killed when it has not done so in time.
func (s *system) attendTo(v *service, pid int, ended <-chan syscall.WaitStatus) string {
	var status syscall.WaitStatus
	select {
	case status = <-ended:
	case <-v.stop:
		_ = syscall.Kill(pid, syscall.SIGTERM)
		late := time.NewTimer(v.stopTimeout)
		defer late.Stop()
		select {
		case status = <-ended:
		case <-late.C:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			status = <-ended
		}
	}
	if status.Signaled() {
		return status.Signal().String()
	}
	return "status " + strconv.Itoa(status.ExitStatus())
}

// killAll kills what is left of a service.
func (s *system) killAll(invocation string) {
	for {
		left := s.left(invocation)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-time.After(10 * time.Millisecond) // until they are gone
	}
}

// left finds the processes that have come of a service. What has taken the
// variable out of its environment is not found, other than with systemd.
func (s *system) left(invocation string) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is a good one
	var pids []int
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != 1 && bytes.Contains(environ, []byte(invocation)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
