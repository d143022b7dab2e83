// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// header is the header of a program, as far as a test changes it.
type header struct {
	class   elf.Class
	osABI   elf.OSABI
	kind    elf.Type
	machine elf.Machine
	entry   uint64
	loader  bool
}

// static is the header of a program that may be in an image.
func static(machine elf.Machine) header {
	return header{class: elf.ELFCLASS64, kind: elf.ET_EXEC, machine: machine, entry: 0x400000}
}

// program gives a program of one segment, followed by some content.
func program(h header, content string) []byte {
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(h.class), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT), byte(h.osABI)}
	segment := elf.Prog64{Type: uint32(elf.PT_LOAD)}
	if h.loader {
		segment.Type = uint32(elf.PT_INTERP)
	}
	var out bytes.Buffer
	if h.class == elf.ELFCLASS32 {
		binary.Write(&out, binary.LittleEndian, elf.Header32{Ident: ident, Type: uint16(h.kind), Machine: uint16(h.machine), Version: 1})
		return out.Bytes()
	}
	binary.Write(&out, binary.LittleEndian, elf.Header64{
		Ident: ident, Type: uint16(h.kind), Machine: uint16(h.machine), Version: 1, Entry: h.entry,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	})
	binary.Write(&out, binary.LittleEndian, segment)
	out.WriteString(content)
	return out.Bytes()
}

// write writes a program to a file of its own.
func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// binaries gives a program for each platform, in a directory of its own.
func binaries(t *testing.T, content string) []Binary {
	t.Helper()
	return []Binary{
		{AMD64, write(t, program(static(elf.EM_X86_64), content))},
		{ARM64, write(t, program(static(elf.EM_AARCH64), content))},
	}
}

func TestOnlyWhatRunsOnABarePlatformIsTaken(t *testing.T) {
	t.Parallel()
	change := func(f func(*header)) []byte {
		h := static(elf.EM_X86_64)
		f(&h)
		return program(h, "")
	}
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"a static program is taken", change(func(*header) {}), ""},
		{"so is one of position-independent code", change(func(h *header) { h.kind = elf.ET_DYN }), ""},
		{"so is one that says it is for Linux", change(func(h *header) { h.osABI = elf.ELFOSABI_LINUX }), ""},
		{"a script is none", []byte("#!/bin/sh\n"), "is no program for Linux"},
		{"nor is a program for macOS", []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01"), "is no program for Linux"},
		{"nor is one for FreeBSD", change(func(h *header) { h.osABI = elf.ELFOSABI_FREEBSD }), "for ELFOSABI_FREEBSD"},
		{"one for another processor is refused", change(func(h *header) { h.machine = elf.EM_AARCH64 }), "EM_AARCH64, and not for linux/amd64"},
		{"one of 32 bits is refused", change(func(h *header) { h.class, h.machine = elf.ELFCLASS32, elf.EM_386 }), "ELFCLASS32 EM_386, and not for linux/amd64"},
		{"one that loads libraries is refused", change(func(h *header) { h.loader = true }), "build it with CGO_ENABLED=0"},
		{"an object file is refused", change(func(h *header) { h.kind = elf.ET_REL }), "none that could be started"},
		{"a library is refused", change(func(h *header) { h.kind, h.entry = elf.ET_DYN, 0 }), "none that could be started"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, row.content)
			_, err := Build("1.2.3", []Binary{{AMD64, path}})
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("the error is %v, and does not say %q of %s", err, row.want, path)
			}
		})
	}
}

func TestParseBinary(t *testing.T) {
	t.Parallel()
	got, err := ParseBinary("linux/arm64=a=b")
	if want := (Binary{ARM64, "a=b"}); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"bin/program":       "is not PLATFORM=PATH",
		"linux/arm64=":      "is not PLATFORM=PATH",
		"linux/riscv64=a":   `none for "linux/riscv64"`,
		"darwin/arm64=a":    `none for "darwin/arm64"`,
		"linux/arm64/v8=ab": `none for "linux/arm64/v8"`,
	} {
		if _, err := ParseBinary(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, and does not say %q", text, err, want)
		}
	}
}
