// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// containers has the machine run containers with podman, all by itself, and gives
// an image in a registry. It skips the test where that cannot be, but not in CI.
func containers(t *testing.T) (image string) {
	t.Helper()
	if testing.Short() {
		t.Skip("running containers takes many seconds")
	}
	for _, name := range []string{"podman", "runc", "busybox"} {
		_, err := exec.LookPath(name)
		if err == nil && os.Getuid() == 0 {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("CI is to run containers as root with %s: %v", name, err)
		}
		t.Skipf("containers are run as root with podman, runc and busybox: %s: %v", name, err)
	}
	// Podman waits in vain for containers whose sockets have a longer path than
	// sockets can have.
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // its name has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug))))
	t.Cleanup(server.Close)
	host := server.Listener.Addr().String()
	for name, content := range map[string]string{
		"containers.conf": "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\n[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=16384:16384\"]\n",
		"storage.conf":    "[storage]\ndriver = \"vfs\"\ngraphroot = \"" + dir + "/graph\"\nrunroot = \"" + dir + "/run\"\n",
		"registries.conf": "[[registry]]\nlocation = \"" + host + "\"\ninsecure = true\n",
		"policy.json":     `{"default": [{"type": "insecureAcceptAnything"}]}`,
		// Whoever has docker on this machine uses it for something else.
		"docker": "#!/bin/sh\nexit 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CONTAINERS_CONF", dir+"/containers.conf")
	t.Setenv("CONTAINERS_STORAGE_CONF", dir+"/storage.conf")
	t.Setenv("CONTAINERS_REGISTRIES_CONF", dir+"/registries.conf")
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	image = host + "/web:1"
	podman(t, busybox(t), "import", "-", image)
	t.Cleanup(func() { podman(t, nil, "rm", "-f", "-a", "-t", "0") })
	podman(t, nil, "push", image)
	podman(t, nil, "rmi", image)
	return image
}

func podman(t *testing.T, input io.Reader, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "podman", args...)
	cmd.Stdin = input
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// busybox gives the files of an image that has busybox and nothing else.
func busybox(t *testing.T) io.Reader {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{"bin/", "etc/", "tmp/", "proc/", "sys/", "dev/"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}))
	}
	err = errors.Join(err, w.WriteHeader(&tar.Header{Name: "bin/busybox", Size: int64(len(program)), Mode: 0o755}))
	_, errWrite := w.Write(program)
	err = errors.Join(err, errWrite)
	for _, name := range []string{"sh", "cat", "echo", "sleep", "kill", "httpd", "test", "touch", "ls", "cmp"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}

// The order's image is pulled; setup and run are carried out in one container of
// it, with its files, its secrets and the machine's network; and an agent that is
// started again goes on with that container.
func TestAnImageIsRun(t *testing.T) {
	python(t)
	image := containers(t)
	r := newRig(t, time.Hour)
	r.unit()
	elsewhere := filepath.Join(t.TempDir(), "not/there")
	digests, open := packed(t, t.TempDir(), "doc.go")
	s := r.quiet()
	s.Bundle = open
	s.Order.Image = image
	s.Order.Task.Workdir = digests[0]
	s.Order.Task.FileMounts = map[string]string{"app": digests[1], "~/app": digests[1], elsewhere + "/app": digests[1]}
	s.Order.Task.Secrets = map[string]string{"KEY": "it's\n a \"secret\" of $HOME"}
	s.Order.Task.Setup = "echo set up; touch /done"
	s.Order.Task.Run = `trap 'echo asked; exit' TERM
test -e /done && cmp app ~/app && cmp app ` + elsewhere + `/app && test ! -e /etc/passwd && echo "$KEY"
httpd -f -p "$HOST:$PORT" -h . &
while :; do sleep 0.05; done`
	c := r.client()
	r.furnish(c, s)
	const told = "it's\n a \"secret\" of $HOME\n"
	log := r.printed(c, func(log string) bool { return strings.Contains(log, told) })
	for _, part := range []string{"pulling the image " + image + "\n", "pulled the image", "\nset up\n" + told} {
		if !strings.Contains(log, part) {
			t.Errorf("it did not print %q, but\n%s", part, log)
		}
	}
	serves := func() bool {
		conn, err := c.Dial(r.ctx)
		if err != nil {
			return false
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /app HTTP/1.0\r\n\r\n"); err != nil {
			return false
		}
		text, err := io.ReadAll(conn)
		return err == nil && bytes.Contains(text, []byte("Package agent is"))
	}
	r.eventually("the server is reached", serves)
	r.hidden("a \"secret\" of")

	r.kill()
	r.eventually("the agent is there again", func() bool { _, err := c.State(r.ctx); return err == nil })
	r.printed(c, func(log string) bool { return strings.Count(log, told) == 2 })
	r.eventually("the server is reached once more", serves)
	if n := strings.Count(podman(t, nil, "ps", "-q"), "\n"); n != 1 {
		t.Errorf("%d containers are running, want 1", n)
	}
	log = r.log(c)
	if strings.Count(log, "set up\n") != 1 || strings.Count(log, "pulling") != 1 {
		t.Errorf("setup was done twice:\n%s", log)
	}
}

// hidden checks that a text is on nobody's command line, and not told by podman.
func (r *rig) hidden(text string) {
	r.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.Fatal(err)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(text)) {
			r.Errorf("it is in %s: %q", path, line)
		}
	}
	if said := podman(r.T, nil, "inspect", containerName); strings.Contains(said, text) {
		r.Errorf("podman tells it: %s", said)
	}
}

// A container is asked to end as any program is, and how it ends is told.
func TestAContainerIsAskedToEnd(t *testing.T) {
	image := containers(t)
	r := newRig(t, time.Hour)
	stop := r.agent()
	c := r.client()
	s := r.supplies(slow)
	s.Order.Image = image
	r.furnish(c, s)
	r.printed(c, begun)
	r.touch("go")
	stop()
	text, err := os.ReadFile(filepath.Join(r.dir, logDir, logFile))
	if err != nil || !strings.HasSuffix(string(text), "begun\nasked\nover\n") {
		t.Errorf("the log is %q: %v", text, err)
	}
	if running := podman(t, nil, "ps", "-q"); running != "" {
		t.Errorf("it is there after the agent: %s", running)
	}
}

func TestAContainersEndIsTold(t *testing.T) {
	image := containers(t)
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	s := r.supplies("exit 3")
	s.Order.Image = image
	r.furnish(c, s)
	if state := r.await(c, "the end of run", exited); state.Last != PhaseRun || state.ExitCode != 3 {
		t.Errorf("the state is %+v, want that run has ended with 3", state)
	}
}

// An image that cannot be pulled for minutes is one that never can.
func TestAnImageThatIsNotThereIsInvalid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docker")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho hm >&2; echo no such image >&2; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := engine(path).pull(t.Context(), "web:1", io.Discard)
		if took := time.Since(began); took < pullPatience || took > pullPatience+2*pullPause {
			t.Errorf("it was tried for %v", took)
		}
		if !errors.Is(err, serve.ErrInvalid) || !strings.Contains(err.Error(), `"web:1": no such image`) {
			t.Errorf("it gives %v", err)
		}
	})
}

func TestShellcheckFindsNothing(t *testing.T) {
	check, err := exec.LookPath("shellcheck")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI is to ask shellcheck, and there is none")
		}
		t.Skip("there is no shellcheck on PATH")
	}
	for name, script := range map[string]string{
		"of the container":     beginScript([]string{"A=it's", "B=a\nb", "C="}, "echo 'hello'"),
		"that installs docker": installEngine,
	} {
		cmd := exec.CommandContext(t.Context(), check, "--shell=sh", "-")
		cmd.Stdin = strings.NewReader(script)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the script %s: %v\n%s", name, err, said)
		}
	}
}
