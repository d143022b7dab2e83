// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
)

// Library has what a vendor says of its APIs, each as an M. Some have thousands of
// types, so each is read once for all tests of a process; nobody changes one then.
type Library[M any] struct {
	// Vendor is whose APIs they are.
	Vendor string
	// Module is where the descriptions are in, and Pinned the directory, from the root
	// of the repository, of the go.mod that says of which version.
	Module, Pinned string
	// File names the file of an API in the module, by the API's name.
	File func(name string) string
	// Prepare readies what was read.
	Prepare func(*M)

	mu   sync.Mutex
	dir  string
	read map[string]*M
}

// Read gives the description of an API.
func (l *Library[M]) Read(name string) (*M, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.read[name]; m != nil {
		return m, nil
	}
	if l.dir == "" {
		dir, err := l.locate()
		if err != nil {
			return nil, fmt.Errorf("fetching what %s says of its APIs: %w", l.Vendor, err)
		}
		l.dir, l.read = dir, map[string]*M{}
	}
	m := new(M)
	content, err := os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(l.File(name))))
	if err == nil {
		err = json.Unmarshal(content, m)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what %s says of its API %q: %w", l.Vendor, name, err)
	}
	l.Prepare(m)
	l.read[name] = m
	return m, nil
}

// locate has the go command fetch the module, and says where it is.
func (l *Library[M]) locate() (string, error) {
	pin, err := l.pin()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "mod", "download", "-json", l.Module)
	cmd.Dir, cmd.Env = pin, append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var told struct{ Dir, Error string }
	if json.Unmarshal(out, &told) == nil && told.Error != "" {
		return "", errors.New(told.Error)
	}
	return told.Dir, err
}

// pin is the directory of the go.mod. Tests run where their package is, so it is
// looked for from there upwards.
func (l *Library[M]) pin() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		pin := filepath.Join(dir, filepath.FromSlash(l.Pinned))
		if _, err := os.Stat(filepath.Join(pin, "go.mod")); err == nil {
			return pin, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("this test runs outside of the repository: there is no " + filepath.Join(l.Pinned, "go.mod"))
		}
		dir = up
	}
}

// Expression compiles an expression when it is first needed. Vendors have dialects of
// their own: what Go does not know is nil, and is not to be held against anyone.
func Expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp {
		r, err := regexp.Compile(text)
		if err != nil {
			return nil
		}
		return r
	})
}
