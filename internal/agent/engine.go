// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// pullPatience is for how long it is tried to pull an image.
	pullPatience = 3 * time.Minute
	pullPause    = 10 * time.Second
	// enginePatience bounds what an engine is asked that takes a moment only.
	enginePatience = time.Minute
)

// installEngine has a machine run containers that does not yet: as the images of
// AWS, Google, Debian and Ubuntu do not.
const installEngine = `set -e
if ! command -v docker >/dev/null 2>&1; then
	if command -v dnf >/dev/null 2>&1; then
		dnf install -y docker
	else
		export DEBIAN_FRONTEND=noninteractive
		apt-get -o DPkg::Lock::Timeout=300 update
		apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends docker.io
	fi
fi
systemctl enable --now docker
`

// engine is what runs containers on the machine: the path of its command.
type engine string

// engineHere gives an engine that works. Where there is none it installs one, and
// prints how that goes to the log.
func engineHere(ctx context.Context, log io.Writer) (engine, error) {
	if e, ok := engineAtWork(ctx); ok {
		return e, nil
	}
	fmt.Fprintln(log, "installing what runs containers")
	install := exec.CommandContext(ctx, "sh", "-c", installEngine)
	install.Stdout, install.Stderr = log, log
	if err := install.Run(); err != nil {
		return "", fmt.Errorf("installing what runs containers: %w", err)
	}
	if e, ok := engineAtWork(ctx); ok {
		return e, nil
	}
	return "", errors.New("what was installed to run containers does not work")
}

// engineAtWork gives the first engine that is there and answers.
func engineAtWork(ctx context.Context) (engine, bool) {
	for _, name := range []string{"docker", "podman", "nerdctl"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if engine(path).do(ctx, "ps", "-q") == nil {
			return engine(path), true
		}
	}
	return "", false
}

// do asks the engine for something. Its error has what the engine has complained of.
func (e engine) do(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, enginePatience)
	defer cancel()
	said, err := exec.CommandContext(ctx, string(e), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(string(e)), args[0], err, lastLine(string(said)))
	}
	return nil
}

// pull gets an image, and prints how that goes to the log. What cannot be had for
// minutes is taken for what never can, which is serve.ErrInvalid.
func (e engine) pull(ctx context.Context, image string, log io.Writer) error {
	began := time.Now()
	for {
		fmt.Fprintf(log, "pulling the image %s\n", image)
		cmd := exec.CommandContext(ctx, string(e), "pull", image)
		var trouble bytes.Buffer
		cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, &trouble)
		err := cmd.Run()
		switch {
		case err == nil:
			fmt.Fprintf(log, "pulled the image in %v\n", time.Since(began).Round(time.Second))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) > pullPatience:
			said := cmp.Or(lastLine(trouble.String()), err.Error())
			return fmt.Errorf("pulling the image %q: %s: %w", image, said, serve.ErrInvalid)
		}
		select {
		case <-time.After(pullPause):
		case <-ctx.Done():
		}
	}
}

// devices gives how a container is shown the machine's accelerators, if there are any.
func (e engine) devices() []string {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		return nil
	}
	if filepath.Base(string(e)) == "podman" {
		return []string{"--device", "nvidia.com/gpu=all"}
	}
	return []string{"--gpus", "all"}
}

// lastLine gives the last line that says anything.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
