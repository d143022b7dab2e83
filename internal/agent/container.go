// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// containerName is the container's, of which a machine has one.
	containerName = "serve-replica"
	// insideDir is where the container finds what it is to do.
	insideDir = "/serve-infra"
	beginFile = "begin"
)

// contain has the container there, not running, in which the scripts of an order
// are run: it lasts from setup to run, and over a restart of the machine. Kept is
// that it is the one in which setup was done.
func (a *agent) contain(ctx context.Context, o Order, settled bool) (kept bool, err error) {
	e, err := engineHere(ctx, a.output)
	if err != nil {
		return false, err
	}
	a.engine = e
	if settled && a.evict(ctx) {
		return true, nil
	}
	// There may be none to be removed.
	_ = e.do(ctx, "rm", "-f", containerName)
	if err := e.pull(ctx, o.Image, a.output); err != nil {
		return false, err
	}
	for _, dir := range []string{a.path(privateDir), a.path(privateDir, containerDir), a.path(homesDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
	}
	// What is in it can be read by whoever is in the container, and by nobody else.
	if err := os.Chmod(a.path(privateDir), 0o700); err != nil {
		return false, err
	}
	if err := a.writeBegin(o, ":"); err != nil {
		return false, err
	}
	return false, e.do(ctx, a.containerArgs(e, o)...)
}

// containerArgs say how the container is made. It has the machine to itself, so
// that it has its network and its memory to share, too.
func (a *agent) containerArgs(e engine, o Order) []string {
	args := []string{
		"create", "--name", containerName, "--network", "host", "--ipc", "host", "--log-driver", "none",
		"--entrypoint", "sh", "--workdir", a.path(workDir),
	}
	for _, dir := range []string{a.path(workDir), a.path(homesDir)} {
		args = append(args, "--volume", dir+":"+dir)
	}
	args = append(args, "--volume", a.path(noticeDir)+":"+a.path(noticeDir)+":ro",
		"--volume", a.path(privateDir, containerDir)+":"+insideDir+":ro")
	for _, target := range slices.Sorted(maps.Keys(o.Task.FileMounts)) {
		if filepath.IsAbs(target) {
			args = append(args, "--volume", a.mountDir(o, target)+":"+target)
		}
	}
	args = append(args, e.devices()...)
	return append(args, o.Image, insideDir+"/"+beginFile)
}

// mountDir is where a file mount with an absolute path is, which the container has
// at that path.
func (a *agent) mountDir(o Order, target string) string {
	n, _ := slices.BinarySearch(slices.Sorted(maps.Keys(o.Task.FileMounts)), target)
	return a.path(mountsDir, strconv.Itoa(n))
}

// enclosed makes the command that runs a script in the container. It is asked to
// end by way of the engine; when its time is up it is gone with the container.
func (a *agent) enclosed(ctx context.Context, o Order, script string) (*exec.Cmd, error) {
	if err := a.writeBegin(o, script); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, string(a.engine), "start", "-a", containerName)
	cmd.Cancel = func() error {
		return a.engine.do(context.WithoutCancel(ctx), "kill", "--signal", "TERM", containerName)
	}
	cmd.WaitDelay = grace
	return cmd, nil
}

// evict ends what is left in the container when its time is up, and reports
// whether there is a container.
func (a *agent) evict(ctx context.Context) bool {
	err := a.engine.do(ctx, "stop", "-t", "0", containerName)
	if err != nil {
		a.log.Error("ending what is left in the container", "error", err)
	}
	return err == nil
}

// writeBegin writes what the container does when it is started. The script and
// what it is told are in it, and not in what the engine is called with, which
// everybody can see.
func (a *agent) writeBegin(o Order, script string) error {
	path := a.path(privateDir, containerDir, beginFile)
	if err := os.WriteFile(path, []byte(beginScript(a.variables(o), script)), 0o644); err != nil {
		return fmt.Errorf("writing what the container is to do: %w", err)
	}
	return nil
}

// beginScript is run by the container's first process, which signals do not reach
// that it has no trap for. So it passes them on, to all there is in the container.
func beginScript(variables []string, script string) string {
	var b strings.Builder
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, quoted(value))
	}
	b.WriteString(`shell='sh'
if command -v bash >/dev/null 2>&1; then shell='bash'; fi
trap 'kill -TERM -1' TERM
"$shell" -c ` + quoted(script) + ` &
while :; do
	wait "$!"
	code=$?
	kill -0 "$!" 2>/dev/null || exit "$code"
done
`)
	return b.String()
}

// quoted writes text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// containedPath is where a mount lands for a container, which has directories of
// the machine in place of its own.
func (a *agent) containedPath(o Order, target string) (string, error) {
	below, isHome := strings.CutPrefix(target, "~/")
	switch {
	case strings.Contains(target, ":"):
		return "", fmt.Errorf("a container can have no files at a path with a colon: %w", serve.ErrInvalid)
	case isHome:
		return filepath.Join(a.path(homesDir), filepath.FromSlash(below)), nil
	case filepath.IsAbs(target):
		return a.mountDir(o, target), nil
	default:
		return a.mountPath(target)
	}
}

// home is what "~" stands for to the scripts of an order.
func (a *agent) home(o Order) string {
	if o.Image != "" {
		return a.path(homesDir)
	}
	return homeDir()
}
