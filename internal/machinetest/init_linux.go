// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// freezeSignal is how the first process is told to freeze the machine.
const freezeSignal = syscall.SIGUSR1

// unitDir is where services are looked for by their name.
const unitDir = "/etc/systemd/system"

// system is a machine as its first process sees it.
type system struct {
	environ []string
	console io.Writer
	off     chan struct{} // is closed when the machine is to end
	end     func()

	mu sync.Mutex
	// children are the processes that were started here and have not ended.
	children map[int]chan<- syscall.WaitStatus
	services map[string]*service
	frozen   bool
	open     map[string]bool // ports that iptables has opened
}

// beFirst is the first process of a machine. With it ends the machine.
func beFirst() {
	off := make(chan struct{})
	s := &system{
		console: os.Stdout, off: off, end: sync.OnceFunc(func() { close(off) }),
		children: map[int]chan<- syscall.WaitStatus{}, services: map[string]*service{}, open: map[string]bool{},
	}
	if err := s.live(); err != nil {
		s.say("%v", err)
		os.Exit(1) //nolint:forbidigo // nothing else ends a machine
	}
	os.Exit(0) //nolint:forbidigo // nothing else ends a machine
}

func (s *system) say(format string, args ...any) { fmt.Fprintf(s.console, format+"\n", args...) }

// live is the life of a machine.
func (s *system) live() error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGCHLD, freezeSignal)
	b, err := readBirth(os.Stdin)
	if err != nil {
		return err
	}
	s.environ = append([]string{"PATH=" + searchPath, "LANG=C.UTF-8"}, b.Environ...)
	if err := layGround(b); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	go s.boot(b.UserData)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-s.off
		s.shutDown()
	}()
	for {
		select {
		case got := <-signals:
			switch got {
			case syscall.SIGCHLD:
				s.reap()
			case syscall.SIGTERM:
				s.powerOff()
			case freezeSignal:
				s.freeze()
			}
		case <-ended:
			return nil
		}
	}
}

// boot does what cloud-init does. As with that, what fails does not keep the
// machine from going on.
func (s *system) boot(userData []byte) {
	c, err := readUserData(userData)
	if err != nil {
		s.say("%v", err)
		return
	}
	for _, f := range c.WriteFiles {
		if err := f.write("/"); err != nil {
			s.say("%v", err)
		}
	}
	for _, command := range c.RunCmd {
		status, err := s.run(command)
		if err != nil || status != 0 {
			s.say("running %q of the user data: status %d, %v", command, status.ExitStatus(), err)
		}
	}
	s.say("the user data is carried out")
}

// run runs a command to its end.
func (s *system) run(command []string) (syscall.WaitStatus, error) {
	_, ended, err := s.start(command, "HOME=/root")
	if err != nil {
		return 0, err
	}
	return <-ended, nil
}

// start starts a command in a session of its own, with more variables. The channel gets its end.
func (s *system) start(command []string, variables ...string) (int, <-chan syscall.WaitStatus, error) {
	path, err := lookPath(command)
	if err != nil {
		return 0, nil, err
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer none.Close()
	// Whoever has ended is not reaped before it is known whose end that is.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return 0, nil, errors.New("the machine is frozen")
	}
	p, err := os.StartProcess(path, command, &os.ProcAttr{
		Dir: "/", Env: slices.Concat(s.environ, variables), Files: []*os.File{none, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, nil, err
	}
	ended, pid := make(chan syscall.WaitStatus, 1), p.Pid // which is not known any more when it is released
	s.children[pid] = ended
	return pid, ended, p.Release()
}

func lookPath(command []string) (string, error) {
	if len(command) == 0 {
		return "", errors.New("there is no command")
	}
	if filepath.IsAbs(command[0]) {
		return command[0], nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(dir, command[0])
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %q", command[0])
}

// reap takes notice of every process that has ended, also of those whose parents
// are gone.
func (s *system) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err != nil || pid <= 0 {
			return
		}
		if ended, ok := s.children[pid]; ok {
			ended <- status
			delete(s.children, pid)
		}
	}
}

// freeze stops every process but this one.
func (s *system) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
	_ = syscall.Kill(-1, syscall.SIGSTOP) // there may be none
}

func (s *system) powerOff() { s.end() }

// shutDown ends all services, and then asks everything else to end, which it
// has a moment for.
func (s *system) shutDown() {
	s.say("the machine shuts down")
	s.mu.Lock()
	var names []string
	for name := range s.services {
		names = append(names, name)
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() { s.stopUnit(name) })
	}
	all.Wait()
	_ = syscall.Kill(-1, syscall.SIGTERM) // there may be none
	for end := time.Now().Add(lastMoment); !alone() && time.Now().Before(end); {
		<-time.After(5 * time.Millisecond)
	}
	s.say("power off")
}

// lastMoment is for how long whatever is no service may go on.
const lastMoment = 5 * time.Second

// alone reports whether there is no other process.
func alone() bool {
	all, err := filepath.Glob("/proc/[0-9]*")
	return err == nil && len(all) == 1
}

// newInvocation names one start of a service. Systemd tells it in the environment,
// too, by which whatever comes of the service is known.
func newInvocation() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return hex.EncodeToString(id)
}
