// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Programs say where the agent's programs are. The one that runs here is one of
// them where machines are of its platform. Those for other platforms are part of
// the same release, and looked for beside it:
//
//	terraform-provider-serve_VERSION_linux_ARCHITECTURE   in its directory
//	../linux_ARCHITECTURE/                                as Terraform lays plugins out
//
// Machines that are made at the same time share what is made ready for them.
type Programs struct {
	// Own is the path of the program that runs here, and Version what it calls
	// itself.
	Own, Version string

	mu   sync.Mutex
	open map[string]*Program // by architecture, as they were opened last
}

// Open opens the program for machines of Linux and an architecture, in Go's words.
// serve.ErrInvalid means that there is none, and its text where to put it.
func (p *Programs) Open(architecture string) (*Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.open[architecture]; last != nil && last.share() {
		return last, nil
	}
	path, err := p.find(architecture)
	if err != nil {
		return nil, err
	}
	program, err := OpenProgram(path)
	if err != nil {
		return nil, err
	}
	if p.open == nil {
		p.open = map[string]*Program{}
	}
	p.open[architecture] = program
	return program, nil
}

// Beside gives the path that the program for another architecture than the own one
// has.
func (p *Programs) Beside(architecture string) string {
	return filepath.Join(filepath.Dir(p.Own), "terraform-provider-serve_"+p.Version+"_linux_"+architecture)
}

// find gives the path of a program.
func (p *Programs) find(architecture string) (string, error) {
	dir, name := filepath.Split(p.Own)
	beside := p.Beside(architecture)
	for _, path := range []string{p.Own, beside, filepath.Join(dir, "..", "linux_"+architecture, name)} {
		if runsOn(path, architecture) {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program for machines of linux/%s: put that of the same release at %s: %w", architecture, beside, serve.ErrInvalid)
}

// runsOn reports whether a file is a program for Linux and an architecture.
func runsOn(path, architecture string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	switch f.Machine {
	case elf.EM_X86_64:
		return architecture == "amd64"
	case elf.EM_AARCH64:
		return architecture == "arm64"
	default:
		return false
	}
}
