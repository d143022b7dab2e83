// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
)

func ignoreTests() map[string]struct {
	rules string
	files []string
	kept  []string
} {
	return map[string]struct {
		rules string
		files []string
		kept  []string
	}{
		"a name holds at any depth": {
			"*.log", []string{"a.log", "d/a.log", "d/a.txt"}, []string{"d/a.txt"}},
		"a name with a slash before it holds at the top": {
			"/a.log", []string{"a.log", "d/a.log"}, []string{"d/a.log"}},
		"a path holds from the top": {
			"d/a", []string{"d/a", "e/d/a"}, []string{"e/d/a"}},
		"a slash at the end is for directories": {
			"build/", []string{"build/x", "d/build/x", "e/build"}, []string{"e/build"}},
		"the last rule wins": {
			"*.log\n!keep.log", []string{"a.log", "keep.log"}, []string{"keep.log"}},
		"what is in a directory left out cannot come back": {
			"d/\n!d/keep", []string{"d/keep", "d/x"}, nil},
		"all in a directory can be left out but for one": {
			"logs/**\n!logs/.keep", []string{"logs/.keep", "logs/a", "logs/b/c"}, []string{"logs/.keep"}},
		"everything but a directory, and in that not everything": {
			"*.log\n!/src/", []string{"src/a.log", "src/a.go"}, []string{"src/a.go"}},
		"all but one at the top": {
			"/*\n!/src", []string{"a", "src/b"}, []string{"src/b"}},
		"two stars are any number of directories": {
			"a/**/b/c", []string{"a/b/c", "a/b/x/b/c", "a/x/y/b/c", "b/c"}, []string{"b/c"}},
		"two stars first are any place": {
			"**/foo/bar", []string{"foo/bar", "foo/x/foo/bar", "bar"}, []string{"bar"}},
		"a star stays within a name": {
			"d/*/x", []string{"d/e/x", "d/e/f/x"}, []string{"d/e/f/x"}},
		"a set of letters, or all but them": {
			"[ab].txt\n[!x].md", []string{"a.txt", "c.txt", "x.md", "y.md"}, []string{"c.txt", "x.md"}},
		"comments and empty lines say nothing": {
			"# a\n\n\r\nb\r\n", []string{"a", "b"}, []string{"a"}},
		"a backslash takes the meaning away": {
			"\\#a\n\\!b", []string{"#a", "!b", "a", "b"}, []string{"a", "b"}},
		"blanks at the end do not count": {
			"a  \nb\\ ", []string{"a", "b", "b "}, []string{"b"}},
		"a malformed rule matches nothing": {
			"[a", []string{"[a", "a"}, []string{"[a", "a"}},
	}
}

func TestIgnore(t *testing.T) {
	for name, tt := range ignoreTests() {
		for _, file := range []string{".gitignore", ".skyignore"} {
			t.Run(name+" in "+file, func(t *testing.T) {
				files := map[string]string{file: tt.rules}
				for _, f := range tt.files {
					files[f] = ""
				}
				if diff := cmp.Diff(slices.Sorted(slices.Values(tt.kept)), packed(t, tree(t, files))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestGitAgrees asks git itself what the table above says.
func TestGitAgrees(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not on PATH")
	}
	for name, tt := range ignoreTests() {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{".gitignore": tt.rules}
			for _, f := range tt.files {
				files[f] = ""
			}
			dir := tree(t, files)
			run := func(args ...string) string {
				cmd := exec.Command(git, args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			run("init", "--quiet")
			out := run("ls-files", "-z", "--others", "--exclude-per-directory=.gitignore", "--", ".", ":!.gitignore")
			kept := slices.Sorted(strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00"))
			if out == "" {
				kept = nil
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(tt.kept)), kept); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIgnoreFilesOfDirectories(t *testing.T) {
	files := map[string]string{
		".git/config":       "",
		"sub/.git":          "gitdir: elsewhere",
		".gitignore":        "*.log",
		"a.log":             "",
		"sub/.gitignore":    "!keep.log\n/top",
		"sub/keep.log":      "",
		"sub/a.log":         "",
		"sub/top":           "",
		"sub/deeper/top":    "",
		"subway/keep.log":   "",
		"node/.gitignore":   "*",
		"node/x/index.html": "",
	}
	want := []string{"sub/deeper/top", "sub/keep.log"}
	if diff := cmp.Diff(want, packed(t, tree(t, files))); diff != "" {
		t.Errorf("with .gitignore alone: %s", diff)
	}
	files[".skyignore"] = "/node"
	want = []string{"a.log", "sub/a.log", "sub/deeper/top", "sub/keep.log", "sub/top", "subway/keep.log"}
	if diff := cmp.Diff(want, packed(t, tree(t, files))); diff != "" {
		t.Errorf("with .skyignore in their place: %s", diff)
	}
}

// packed lists the files in the bundle of dir without the ignore files.
func packed(t *testing.T, dir string) []string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "to")
	if err := bundle.Unpack(bytes.NewReader(pack(t, dir)), to); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(look(t, to))) {
		if !strings.HasSuffix(name, "ignore") && !strings.HasSuffix(name, "/") {
			names = append(names, name)
		}
	}
	if _, err := os.Stat(filepath.Join(to, ".git")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf(".git is in the bundle: %v", err)
	}
	return names
}
