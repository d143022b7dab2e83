// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"debug/elf"
	endian "encoding/binary"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/serve-infra/terraform-provider-serve/internal/image"
)

// programFor writes what is just enough of a static program for a machine, and
// gives the flag that names it.
func programFor(t *testing.T, platform image.Platform, machine elf.Machine) string {
	t.Helper()
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	var out bytes.Buffer
	endian.Write(&out, endian.LittleEndian, elf.Header64{
		Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Entry: 0x400000, Phentsize: 56, Ehsize: 64,
	})
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return "--binary=" + string(platform) + "=" + path
}

// An image is told of, saved, and pushed, and is the same image every time.
func TestImage(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug))))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/serve"
	dir := filepath.Join(t.TempDir(), "layout")
	programs := []string{programFor(t, image.AMD64, elf.EM_X86_64), programFor(t, image.ARM64, elf.EM_AARCH64)}

	digest, stderr, code := execute(slices.Concat([]string{"image", "digest"}, programs)...)
	if code != 0 || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("image digest ends with %d, and prints %q: %s", code, digest, stderr)
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"image", "save", dir}, digest},
		{[]string{"image", "push", repository}, repository + "@" + digest},
		{[]string{"image", "push", repository + ":stable", "--insecure"}, repository + "@" + digest},
	} {
		if out, stderr, code := execute(slices.Concat(row.args, programs)...); code != 0 || out != row.want {
			t.Errorf("%v ends with %d, and prints %q, not %q: %s", row.args, code, out, row.want, stderr)
		}
	}
	if index, err := os.ReadFile(filepath.Join(dir, "index.json")); err != nil || !strings.Contains(string(index), strings.TrimSpace(digest)) {
		t.Errorf("the layout has %s, %v", index, err)
	}
}

func TestImageMistakes(t *testing.T) {
	good, bad := programFor(t, image.AMD64, elf.EM_X86_64), programFor(t, image.AMD64, elf.EM_AARCH64)
	for _, row := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing to do with it", []string{"image"}, 2, "number of arguments"},
		{"an unknown thing to do with it", []string{"image", "eat"}, 2, "save with a directory"},
		{"saving nowhere", []string{"image", "save"}, 2, "save with a directory"},
		{"a digest of something", []string{"image", "digest", "something"}, 2, "save with a directory"},
		{"a repository that is none", []string{"image", "push", "UPPER/case"}, 2, "is not REPOSITORY[:TAG]"},
		{"a binary without its platform", []string{"image", "digest", "--binary", "program"}, 2, "is not PLATFORM=PATH"},
		{"a binary for another platform", []string{"image", "digest", "--binary", "windows/amd64=program"}, 2, `none for "windows/amd64"`},
		{"two binaries for one platform", []string{"image", "digest", good, good}, 1, "two programs for linux/amd64"},
		{"a binary that is not what it is said to be", []string{"image", "digest", bad}, 1, "and not for linux/amd64"},
	} {
		if _, stderr, code := execute(row.args...); code != row.code || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%s ends with %d, and says %q", row.name, code, stderr)
		}
	}
}

func TestTheRunningProgramIsInTheImageWhereItCanBe(t *testing.T) {
	t.Parallel()
	arm := image.Binary{Platform: image.ARM64, Path: "program"}
	self := func(p image.Platform) image.Binary { return image.Binary{Platform: p, Path: "/proc/self/exe"} }
	for _, row := range []struct {
		name     string
		named    []image.Binary
		platform string
		want     []image.Binary
	}{
		{"alone when none is named", nil, "linux/amd64", []image.Binary{self(image.AMD64)}},
		{"beside those for other platforms", []image.Binary{arm}, "linux/amd64", []image.Binary{arm, self(image.AMD64)}},
		{"but not in the stead of one that is named", []image.Binary{arm}, "linux/arm64", []image.Binary{arm}},
		{"nor when it is for no platform of images", nil, "darwin/arm64", nil},
	} {
		if got := withSelf(row.named, row.platform); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v", row.name, got)
		}
	}
}

// The image that is saved runs in a real container, read-only, without a network
// and as nobody. It is made by the program that is in it.
func TestTheSavedImageRuns(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs a real container; TF_ACC=1 or make test does so")
	}
	for _, needed := range []string{"podman", "runc"} {
		if _, err := exec.LookPath(needed); err != nil || os.Geteuid() != 0 {
			t.Skipf("the image is NOT run in a real container: that needs root, and %s on PATH", needed)
		}
	}
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		// Podman makes a name of the path of a layout, so that it must be a short one.
		cmd.Dir, cmd.Stderr = dir, t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v", name, args, err)
		}
		return string(out)
	}
	podman := func(args ...string) string {
		t.Helper()
		// What it keeps is kept here, and none of it is the machine's own.
		own := []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver=vfs"}
		return run("podman", slices.Concat(own, []string{"--runtime=runc", "--cgroup-manager=cgroupfs"}, args)...)
	}
	version := run(program, "version")
	digest := strings.TrimSpace(run(program, "image", "save", "layout"))
	podman("pull", "--quiet", "oci:layout:"+strings.TrimSpace(version))
	if got := podman("images", "--format={{.Digest}}"); strings.TrimSpace(got) != digest {
		t.Errorf("podman has %q, and not the image %s", got, digest)
	}
	// Podman asks for more than root of a container may have, unless it is told less.
	got := podman("run", "--rm", "--network=none", "--read-only", "--ulimit=nofile=20000:20000", "--ulimit=nproc=16384:16384",
		"localhost/layout", "version")
	if got != version {
		t.Errorf("in a container the version is %q, and not %q", got, version)
	}
}
