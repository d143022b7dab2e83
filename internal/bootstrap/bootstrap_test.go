// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bootstrap

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// TestMain lets -update write what is expected anew, to be read before it is kept.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "write testdata/golden anew")
	os.Exit(m.Run())
}

// config is of a machine whose certificates are as long as real ones.
func config() Config {
	block := func(kind string, lines int) string {
		return "-----BEGIN " + kind + "-----\n" + strings.Repeat(strings.Repeat("Ab+/", 16)+"\n", lines) + "-----END " + kind + "-----\n"
	}
	return Config{
		Cloud: "aws", Port: 9738, Program: "sha256:" + strings.Repeat("0af5", 16), Lease: time.Hour,
		Controller: block("CERTIFICATE", 7), Birth: block("CERTIFICATE", 7) + block("PRIVATE KEY", 2),
	}
}

func userData(t *testing.T, c Config) string {
	t.Helper()
	text, err := UserData(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// written is a file that cloud-init is to write.
type written struct{ Path, Permissions, Content string }

// read gives the files of user data by their names, and what is run in the end.
func read(t *testing.T, text string) (files map[string]written, commands [][]string) {
	t.Helper()
	var data struct {
		WriteFiles []written  `yaml:"write_files"`
		RunCmd     [][]string `yaml:"runcmd"`
	}
	if err := yaml.Unmarshal([]byte(text), &data); err != nil {
		t.Fatal(err)
	}
	files = map[string]written{}
	for _, f := range data.WriteFiles {
		files[strings.TrimPrefix(f.Path, Dir+"/")] = f
	}
	return files, data.RunCmd
}

// tool gives the path of a program that is asked for its opinion, and skips the
// test where there is none, but not in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI is to ask %s, and there is none", name)
		}
		t.Skipf("there is no %s on PATH", name)
	}
	return path
}

// ask fails unless the program is content.
func ask(t *testing.T, path string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, said)
	}
}

// laid puts one of the files where it can be looked at.
func laid(t *testing.T, name string) string {
	t.Helper()
	files, _ := read(t, userData(t, config()))
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(files[name].Content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUserDataIsAsWritten(t *testing.T) {
	t.Parallel()
	got := userData(t, config())
	asWritten(t, "testdata/golden/user-data.yaml", got)
	if len(got) > MaxBytes*3/4 {
		t.Errorf("it has %d bytes, which leaves little of %d", len(got), MaxBytes)
	}
}

func TestTheStartupScriptIsAsWritten(t *testing.T) {
	t.Parallel()
	asWritten(t, "testdata/golden/startup.sh", startup(t))
}

// Google's system for containers lets nobody in by itself, and has programs in few
// places.
func TestTheStartupScriptForContainersIsAsWritten(t *testing.T) {
	t.Parallel()
	c := config()
	c.Cloud, c.Dir, c.Open = "gcp", "/var/lib/google/serve", true
	text, err := StartupScript(c)
	if err != nil {
		t.Fatal(err)
	}
	asWritten(t, "testdata/golden/startup-containers.sh", text)
	if strings.Contains(text, Dir) {
		t.Errorf("something is still to be in %s", Dir)
	}
}

func startup(t *testing.T) string {
	t.Helper()
	c := config()
	c.Cloud = "gcp"
	text, err := StartupScript(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// asWritten compares a text with the one that is kept.
func asWritten(t *testing.T, golden, got string) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("it is another one (-want +got):\n%s", diff)
	}
}

// What cloud-init writes is what was put in, byte by byte, and nobody but root
// can read the key.
func TestFilesSurviveYAML(t *testing.T) {
	t.Parallel()
	c := config()
	files, commands := read(t, userData(t, c))
	want := map[string]written{
		"machine.json":        {Dir + "/machine.json", "0644", `{"cloud":"aws","lease_seconds":3600,"port":9738,"program":"` + c.Program + `"}` + "\n"},
		"controller.pem":      {Dir + "/controller.pem", "0644", c.Controller},
		"birth.pem":           {Dir + "/birth.pem", "0600", c.Birth},
		"receive.py":          {Dir + "/receive.py", "0644", receiver},
		"serve-agent.service": {Dir + "/serve-agent.service", "0644", unit},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("the files are others (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"systemctl", "enable", "--now", Dir + "/serve-agent.service"}}, commands); diff != "" {
		t.Errorf("what is run is another (-want +got):\n%s", diff)
	}
}

// The script writes the same files as cloud-init, however often it is run.
func TestTheStartupScriptWritesTheFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "serve")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho \"$*\" >>"+bin+"/said\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bin, "startup.sh")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(startup(t), Dir, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		cmd := exec.CommandContext(t.Context(), "sh", path)
		cmd.Env = []string{"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH")}
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Fatalf("it says %q: %v", said, err)
		}
	}
	c := config()
	c.Cloud = "gcp"
	files, _ := read(t, userData(t, c))
	for name, f := range files {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil || string(text) != strings.ReplaceAll(f.Content, Dir, dir) {
			t.Errorf("%s is %q, want %q: %v", name, text, f.Content, err)
		}
		info, err := os.Stat(path)
		if err != nil || fmt.Sprintf("%04o", info.Mode()) != f.Permissions {
			t.Errorf("%s has the permissions %v, want %s: %v", name, info.Mode(), f.Permissions, err)
		}
	}
	want := strings.Repeat("enable --now "+dir+"/serve-agent.service\n", 2)
	if said, err := os.ReadFile(filepath.Join(bin, "said")); err != nil || string(said) != want {
		t.Errorf("systemctl is told %q, want %q: %v", said, want, err)
	}
}

func TestWhatNoMachineCanUseIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Config){
		"a cloud without metadata":        func(c *Config) { c.Cloud = "azure" },
		"no port":                         func(c *Config) { c.Port = 0 },
		"a port too high":                 func(c *Config) { c.Port = 65536 },
		"no program":                      func(c *Config) { c.Program = "" },
		"a digest of another kind":        func(c *Config) { c.Program = "md5:0123" },
		"a directory for a shell":         func(c *Config) { c.Dir = "/opt/$(reboot)" },
		"a lease too short":               func(c *Config) { c.Lease = time.Millisecond },
		"no controller":                   func(c *Config) { c.Controller = "" },
		"a controller that is no PEM":     func(c *Config) { c.Controller = "pem" },
		"something behind the controller": func(c *Config) { c.Controller += "runcmd: [[reboot]]\n" },
		"no key":                          func(c *Config) { c.Birth = "" },
		"lines that end as Windows' do":   func(c *Config) { c.Birth = strings.ReplaceAll(c.Birth, "\n", "\r\n") },
		"more than EC2 takes":             func(c *Config) { c.Birth = strings.Repeat(c.Birth, 20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			spoil(&c)
			if text, err := UserData(c); !errors.Is(err, serve.ErrInvalid) || text != "" {
				t.Errorf("UserData gives %d bytes and %v, want %v", len(text), err, serve.ErrInvalid)
			}
			if text, err := StartupScript(c); name != "more than EC2 takes" && !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("StartupScript gives %d bytes and %v, want %v", len(text), err, serve.ErrInvalid)
			}
		})
	}
}

func TestCloudInitTakesTheUserData(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "user-data")
	if err := os.WriteFile(path, []byte(userData(t, config())), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, tool(t, "cloud-init"), "schema", "--config-file", path)
}

func TestShellcheckFindsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "start.sh")
	if err := os.WriteFile(path, []byte(start), 0o600); err != nil {
		t.Fatal(err)
	}
	// It stands between single quotes, where systemd looks for its own meaning of % and $.
	if strings.ContainsAny(start, "'%$\\") {
		t.Errorf("systemd does not hand this over as it is: %s", start)
	}
	check := tool(t, "shellcheck")
	ask(t, check, "--shell=sh", "--severity=style", path)
	if err := os.WriteFile(path, []byte(startup(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, check, "--severity=style", path)
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	ask(t, tool(t, "systemd-analyze"), "verify", laid(t, "serve-agent.service"))
}

// It is compiled by the Python that is here; that Python 3.9 has all it uses is
// for its feature version to say.
func TestPythonTakesTheReceiver(t *testing.T) {
	t.Parallel()
	path := laid(t, "receive.py")
	python := tool(t, "python3")
	ask(t, python, "-W", "error", "-m", "py_compile", path)
	ask(t, python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))", path)
}
