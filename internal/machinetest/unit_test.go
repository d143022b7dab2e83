// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestUnitsAreUnderstoodOrRefused(t *testing.T) {
	t.Parallel()
	const good = "[Unit]\nDescription=It\n\n[Service]\nExecStart=/bin/sh -c 'a; b' \"c d\" e\nRestart=always\nRestartSec=1\nKillMode=mixed\nTimeoutStopSec=30\n"
	for _, row := range []struct {
		name, old, new, refused string
	}{
		{name: "all of this is done"},
		{"a setting that is not done", "Restart=always", "RootDirectory=/x", "is not done here"},
		{"another way to kill", "mixed", "process", "only mixed is"},
		{"a restart on failure only", "always", "on-failure", "not restarted"},
		{"a span in words", "RestartSec=1", "RestartSec=1min", "number of seconds"},
		{"a variable in the command", "a; b", "$HOME", "systemd would replace"},
		{"a quote that is open", "'a; b'", "'a; b", "not closed"},
		{"a service that starts nothing", "ExecStart=/bin/sh -c 'a; b' \"c d\" e\n", "", "starts nothing"},
		{"no setting at all", "Restart=always", "Restart", "is no setting"},
	} {
		u, err := readUnit(strings.Replace(good, row.old, row.new, 1))
		want := unit{start: []string{"/bin/sh", "-c", "a; b", "c d", "e"}, again: true, pause: time.Second, stopTimeout: 30 * time.Second, killMode: "mixed"}
		switch {
		case row.refused == "" && (err != nil || !reflect.DeepEqual(u, want)):
			t.Errorf("%s: got %+v, %v; want %+v", row.name, u, err, want)
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: got %v, want that %s", row.name, err, row.refused)
		}
	}
}

func TestUserDataIsUnderstoodOrRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, data string
		commands   []runCommand
		refused    string
	}{
		{name: "no user data"},
		{name: "an empty configuration", data: "#cloud-config\n"},
		{name: "commands of both kinds", data: "#cloud-config\nruncmd:\n  - [a, b c]\n  - d; e\n", commands: []runCommand{{"a", "b c"}, {"/bin/sh", "-c", "d; e"}}},
		{name: "a script", data: "#!/bin/sh\n", commands: []runCommand{{scriptPath}}},
		{name: "what cloud-init can and machines here cannot", data: "#cloud-config\npackages: [x]\n", refused: "packages"},
		{name: "a file in another encoding", data: "#cloud-config\nwrite_files:\n  - path: /a\n    encoding: b64\n", refused: "encoding"},
		{name: "something else", data: "hello", refused: "neither"},
	} {
		c, err := readUserData([]byte(row.data))
		switch {
		case row.refused == "" && (err != nil || !reflect.DeepEqual(c.RunCmd, row.commands)):
			t.Errorf("%s: got %q, %v; want %q", row.name, c.RunCmd, err, row.commands)
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: got %v, want that %s", row.name, err, row.refused)
		}
	}
}

func TestFilesAreWrittenWithTheirPermissions(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for permissions, want := range map[string]string{"": "-rw-r--r--", "0600": "-rw-------", "0755": "-rwxr-xr-x"} {
		f := writtenFile{Path: "/opt/it/file" + permissions, Permissions: permissions, Content: "text\n"}
		if err := f.write(root); err != nil {
			t.Error(err)
			continue
		}
		info, err := os.Stat(filepath.Join(root, f.Path))
		if err != nil || info.Mode().String() != want {
			t.Errorf("permissions %q: got %v, %v; want %s", permissions, info, err, want)
		}
	}
	for _, f := range []writtenFile{{Path: "here"}, {Path: "/here", Permissions: "rwx"}} {
		if err := f.write(root); err == nil {
			t.Errorf("%+v was written", f)
		}
	}
}
