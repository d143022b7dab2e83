// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// compiled writes the beginning of a program for a machine, which is all of it
// that tells.
func compiled(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	var b bytes.Buffer
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
	}
	err := binary.Write(&b, binary.LittleEndian, head)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestProgramsAreFoundForTheirPlatform(t *testing.T) {
	t.Parallel()
	const own, beside, unpacked = "linux_amd64/provider", "linux_amd64/terraform-provider-serve_1.2.3_linux_arm64", "linux_arm64/provider"
	amd64, arm64 := elf.EM_X86_64, elf.EM_AARCH64
	tests := map[string]struct {
		files        map[string]elf.Machine
		architecture string
		want         string // empty when there is none
	}{
		"the program itself":                   {map[string]elf.Machine{own: amd64}, "amd64", own},
		"the program itself elsewhere":         {map[string]elf.Machine{own: arm64}, "arm64", own},
		"none":                                 {map[string]elf.Machine{own: amd64}, "arm64", ""},
		"one beside it":                        {map[string]elf.Machine{own: amd64, beside: arm64}, "arm64", beside},
		"one of another platform than it says": {map[string]elf.Machine{own: amd64, beside: amd64}, "arm64", ""},
		"one that Terraform has unpacked":      {map[string]elf.Machine{own: amd64, unpacked: arm64}, "arm64", unpacked},
		"an architecture nobody has heard of":  {map[string]elf.Machine{own: amd64}, "m68k", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for path, machine := range tt.files {
				compiled(t, filepath.Join(dir, path), machine)
			}
			programs := Programs{Own: filepath.Join(dir, own), Version: "1.2.3"}
			p, err := programs.Open(tt.architecture)
			switch {
			case tt.want == "":
				if !errors.Is(err, serve.ErrInvalid) || !strings.Contains(err.Error(), "_1.2.3_linux_"+tt.architecture) {
					t.Errorf("Open gives %v, want %v that says where to put it", err, serve.ErrInvalid)
				}
			case err != nil:
				t.Error(err)
			case p.path != filepath.Join(dir, tt.want):
				t.Errorf("it is %s, want %s", p.path, tt.want)
			}
		})
	}
}

// A controller that runs on another system than Linux has no program of its own
// for machines.
func TestAProgramForAnotherSystemIsNone(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "provider")
	if err := os.WriteFile(own, []byte("\xcf\xfa\xed\xfe of macOS"), 0o700); err != nil {
		t.Fatal(err)
	}
	programs := Programs{Own: own, Version: "1.2.3"}
	if _, err := programs.Open("arm64"); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("Open gives %v, want %v", err, serve.ErrInvalid)
	}
}

// What is made ready for machines is made once, for as long as anybody needs it,
// and is never another program than was told.
func TestProgramsAreShared(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "provider")
	compiled(t, own, elf.EM_X86_64)
	programs := Programs{Own: own}
	open := func() *Program {
		p, err := programs.Open("amd64")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	packed := func(p *Program) bool {
		content, err := p.Compressed()
		return err == nil && content != nil
	}
	first, second := open(), open()
	if first != second || !packed(first) || first.Close() != nil || !packed(second) || second.packed == nil {
		t.Error("it is not there for the second who has opened it")
	}
	if second.Close() != nil || second.packed != nil {
		t.Error("it is there though nobody needs it any more")
	}
	third := open()
	compiled(t, own, elf.EM_AARCH64)
	if packed(third) {
		t.Error("another program was sent than was told")
	}
	if third == first || third.Close() != nil {
		t.Error("it was not opened anew")
	}
}
