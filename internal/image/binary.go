// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Platform is what a program runs on, in the words of Go and OCI alike.
type Platform string

// The platforms there are images for.
const (
	AMD64 Platform = "linux/amd64"
	ARM64 Platform = "linux/arm64"
)

// Platforms gives the platforms there are images for.
func Platforms() []Platform { return []Platform{AMD64, ARM64} }

// architecture gives the part of a platform that tells ours apart.
func (p Platform) architecture() string { return strings.TrimPrefix(string(p), "linux/") }

// machine gives a platform's name in the header of a program.
func (p Platform) machine() elf.Machine {
	if p == ARM64 {
		return elf.EM_AARCH64
	}
	return elf.EM_X86_64
}

// Binary is our program, built for a platform.
type Binary struct {
	Platform Platform
	Path     string
}

// ParseBinary reads a binary written as PLATFORM=PATH.
func ParseBinary(text string) (Binary, error) {
	platform, path, found := strings.Cut(text, "=")
	if !found || path == "" {
		return Binary{}, fmt.Errorf("%q is not PLATFORM=PATH, such as %s=bin/terraform-provider-serve", text, ARM64)
	}
	if !slices.Contains(Platforms(), Platform(platform)) {
		return Binary{}, fmt.Errorf("there are images for %s and %s, and none for %q", AMD64, ARM64, platform)
	}
	return Binary{Platform: Platform(platform), Path: path}, nil
}

// read gives the content of a binary that can run where there is nothing else.
// What could not is refused here, where one sees why: as an image it would only
// say "no such file or directory", or "exec format error", on a far machine.
func (b Binary) read() ([]byte, error) {
	content, err := os.ReadFile(b.Path)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(content, b.Platform); err != nil {
		return nil, fmt.Errorf("%s %w", b.Path, err)
	}
	return content, nil
}

// checkStatic says what keeps a program from running on a bare platform.
func checkStatic(content []byte, platform Platform) error {
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("is no program for Linux: %w", err)
	}
	switch {
	case file.OSABI != elf.ELFOSABI_NONE && file.OSABI != elf.ELFOSABI_LINUX:
		return fmt.Errorf("is no program for Linux, but for %s", file.OSABI)
	case file.Class != elf.ELFCLASS64 || file.Machine != platform.machine():
		return fmt.Errorf("is a program for %s %s, and not for %s", file.Class, file.Machine, platform)
	case file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN || file.Entry == 0:
		return errors.New("is a part of a program, and none that could be started")
	}
	// A program of position-independent code is of the same type as a library. What
	// makes it need others is that it names a loader for them.
	needs, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	interpreted := slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if interpreted || len(needs) > 0 {
		return errors.New("is linked with libraries, and the image has none; build it with CGO_ENABLED=0")
	}
	return nil
}
