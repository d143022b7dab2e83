// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// bundles packs directories into bundles named by themselves.
func bundles(t *testing.T, dirs map[string]string) func(string) (io.ReadCloser, error) {
	packed := make(map[string][]byte)
	for name, path := range dirs {
		var b bytes.Buffer
		if err := bundle.Pack(&b, path); err != nil {
			t.Fatal(err)
		}
		packed[name] = b.Bytes()
	}
	return func(name string) (io.ReadCloser, error) {
		b, ok := packed[name]
		if !ok {
			return nil, serve.ErrNotFound
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
}

func fileIn(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAProgramFindsItsFilesAndItsEnvironment(t *testing.T) {
	t.Setenv("TF_TOKEN_example", "terraform's")
	t.Setenv("PLUGIN_PROTOCOL_VERSIONS", "6")
	t.Setenv("SERVE_HOME", "another's")
	f := newFixture(t, nil)
	req := f.request(7, `
cat app.txt data/set.txt one.txt ~/models/m.txt
echo "$GREETING $TOKEN"
echo "at $HOST:$PORT"
echo "replica $SERVE_REPLICA_ID $SKYPILOT_SERVE_REPLICA_ID of $SERVE_SERVICE"
env | grep -c '^TF_\|^PLUGIN_'
[ "$SERVE_HOME" != "another's" ] && [ "$(pwd)" = "$PWD" ] && echo done`)
	req.Task.Setup = "echo set up > one.txt"
	req.Task.Workdir = "app"
	req.Task.FileMounts = map[string]string{"data": "set", "~/models/m.txt": "m"}
	req.Task.Envs = map[string]string{"GREETING": "hello"}
	req.Task.Secrets = map[string]string{"TOKEN": "hunter2"}
	req.Bundle = bundles(t, map[string]string{
		"app": fileIn(t, "app.txt", "the app\n"),
		"set": fileIn(t, "set.txt", "a set\n"),
		"m":   filepath.Join(fileIn(t, "m.txt", "a model\n"), "m.txt"),
	})
	i := f.launch(req)
	f.printed(req.Ref, "done")
	log, err := f.Logs(f.ctx, req.Ref, serve.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got, err := io.ReadAll(log)
	want := "the app\na set\nset up\na model\nhello hunter2\nat " + i.Address + "\nreplica 7 7 of web\n0\ndone\n"
	if err != nil || string(got) != want {
		t.Errorf("it printed %q, %v; want %q", got, err, want)
	}
	if err := os.Truncate(filepath.Join(f.home.replica(req.Ref), logDir, logFile), 0); err != nil {
		t.Fatal(err)
	}
	f.nowhere("hunter2")
}

// nowhere checks that the secret is neither in a file nor in a command line.
func (f *fixture) nowhere(secret string) {
	f.Helper()
	err := filepath.WalkDir(string(f.home), func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, []byte(secret)) {
			f.Errorf("the secret is in %s", name)
		}
		return err
	})
	if err != nil {
		f.Error(err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		f.Error(err)
	}
	for _, name := range lines {
		if content, err := os.ReadFile(name); err == nil && bytes.Contains(content, []byte(secret)) {
			f.Errorf("the secret is in %s: %q", name, content)
		}
	}
}

func TestABundleThatCannotBeUnpackedLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*serve.Task)
		want   error
	}{
		"a bundle that is not there":      {func(t *serve.Task) { t.Workdir = "missing" }, serve.ErrNotFound},
		"a bundle that is not one":        {func(t *serve.Task) { t.Workdir = "garbage" }, serve.ErrInvalid},
		"a mount at an absolute path":     {func(t *serve.Task) { t.FileMounts = map[string]string{"/etc/x": "x"} }, serve.ErrInvalid},
		"a mount that leads out":          {func(t *serve.Task) { t.FileMounts = map[string]string{"../x": "x"} }, serve.ErrInvalid},
		"a mount that leads out of home":  {func(t *serve.Task) { t.FileMounts = map[string]string{"~/../x": "x"} }, serve.ErrInvalid},
		"a mount in place of the workdir": {func(t *serve.Task) { t.FileMounts = map[string]string{".": "x"} }, serve.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			req := f.request(1, "exec sleep 3600")
			c.change(&req.Task)
			req.Bundle = func(digest string) (io.ReadCloser, error) {
				if digest == "garbage" {
					return io.NopCloser(strings.NewReader("no archive")), nil
				}
				return nil, serve.ErrNotFound
			}
			if _, err := f.Launch(f.ctx, req); !errors.Is(err, c.want) {
				t.Errorf("Launch = %v, want %v", err, c.want)
			}
			entries, err := os.ReadDir(f.home.replicas())
			if err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestAServerLeftInTheBackgroundGoesOnPrinting(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, `(trap '' HUP; while [ ! -e go ]; do sleep 0.01; done; echo later; exec sleep 3600) & echo now`)
	notices, _ := f.watch(f.Cloud)
	f.launch(req)
	if n := f.await(notices, serve.NoticeExited); n.ExitCode != 0 {
		t.Errorf("told %+v, want exit code 0", n)
	}
	if err := os.WriteFile(filepath.Join(f.home.replica(req.Ref), workDir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.printed(req.Ref, "later")
}

func TestAKilledProgramHasTheCodeAShellGivesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	notices, _ := f.watch(f.Cloud)
	f.launch(f.request(1, "kill -9 $$"))
	if n := f.await(notices, serve.NoticeExited); n.ExitCode != 128+int(syscall.SIGKILL) {
		t.Errorf("told %+v, want exit code 137", n)
	}
}

func TestAMachineIsStartedByTheCloudOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	if err := RunMachine(context.Background(), f.home.replica(req.Ref)); err == nil {
		t.Error("RunMachine ran without a launcher")
	}
}

func TestAMachineTakesItsTimeToGo(t *testing.T) {
	t.Parallel()
	const seconds = 0.3
	f := newFixture(t, func(c *config) { c.ShutdownSeconds = seconds })
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	began := time.Now()
	if err := f.Terminate(f.ctx, req.Ref); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < serve.Seconds(seconds) {
		t.Errorf("it was gone after %v, want %v s at least", took, seconds)
	}
	f.nothingRuns()
}

func TestReplicasHaveAnAddressEach(t *testing.T) {
	t.Parallel()
	for _, how := range []string{addressLoopback, addressPort} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			if how == addressLoopback && defaultAddressing != addressLoopback {
				t.Skip("only 127.0.0.1 can be bound here")
			}
			f := newFixture(t, func(c *config) { c.Addressing = how })
			seen := make(map[string]bool)
			for id := range int64(3) {
				address := f.launch(f.request(id+1, "exec sleep 3600")).Address
				host, port, err := net.SplitHostPort(address)
				if err != nil || seen[address] {
					t.Errorf("the address %q is wrong or taken: %v", address, err)
				}
				seen[address] = true
				if (how == addressLoopback) != (port == "8080") || (how == addressPort) != (host == "127.0.0.1") {
					t.Errorf("addressing %q gave %q", how, address)
				}
			}
		})
	}
}

func TestAPortTakenEverywhereGivesWayToAnother(t *testing.T) {
	t.Parallel()
	everywhere, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer everywhere.Close()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	_, taken, err := net.SplitHostPort(everywhere.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if req.Port, err = strconv.Atoi(taken); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(f.launch(req).Address)
	if err != nil || host != "127.0.0.1" || port == "" {
		t.Errorf("the address is %s:%s, %v; want a port of its own", host, port, err)
	}
}
