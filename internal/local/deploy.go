// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/changes"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// Timings of a deployment.
const (
	// answerPause is how long a controller that has published its address and
	// did not answer is left alone before it is asked again.
	answerPause = 50 * time.Millisecond
	// lastLines is how much of a failed controller's log is shown.
	lastWords = 20
)

// errEnded means that the controller ended while it was being waited for.
var errEnded = errors.New("it has ended")

// Deploy makes sure that a controller of the service runs and answers. It is a
// process of the program itself, one, and nothing of it can be chosen.
func (d *Deployer) Deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	shown := opt.CloudCredentials
	opt.CloudCredentials = nil
	if !reflect.ValueOf(opt).IsZero() {
		return nil, fmt.Errorf("deploying the controller of service %q: on this machine it has no image, copies or endpoint type to choose: %w", service, serve.ErrInvalid)
	}
	client, err := d.deploy(ctx, service, shown)
	if err != nil {
		return nil, fmt.Errorf("deploying the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) deploy(ctx context.Context, service string, shown serve.CloudCredentials) (serve.Client, error) {
	if err := checkName(service); err != nil {
		return nil, err
	}
	h, err := makeHome(d.o.Root)
	if err != nil {
		return nil, err
	}
	unlock, err := d.enter(ctx, h, service)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.agree(h.controller(service)); err != nil {
		return nil, err
	}
	if err := d.brief(h.controller(service)); err != nil {
		return nil, err
	}
	if err := d.show(h.controller(service), shown); err != nil {
		return nil, err
	}
	for {
		p, held, err := holder(ctx, h, service)
		if err != nil {
			return nil, err
		}
		if !held {
			if p, err = d.start(ctx, h, service); err != nil {
				return nil, err
			}
		}
		client, err := d.await(ctx, h, service, p)
		switch {
		case !errors.Is(err, errEnded):
			return client, err
		case !held:
			d.children.reap(p)
			return nil, fmt.Errorf("%w; its log ends with:\n%s", err, lastWordsOf(ctx, h.controller(service)))
		}
		// The one that was there has ended meanwhile: the next one is ours.
	}
}

// enter makes the controller's directory and keeps others from deploying or
// destroying it.
func (d *Deployer) enter(ctx context.Context, h home, service string) (unlock func(), err error) {
	_, leave, err := d.services.Enter(ctx, service)
	if err != nil {
		return nil, err
	}
	for {
		var release func()
		err := os.MkdirAll(h.controller(service), 0o700)
		if err == nil {
			release, err = lock(ctx, filepath.Join(h.controller(service), deployLock))
		}
		switch {
		case err == nil:
			return func() { release(); leave() }, nil
		case !errors.Is(err, fs.ErrNotExist):
			leave()
			return nil, err
		}
		// Destroyed meanwhile, directory and all.
	}
}

// agree makes the credentials, once.
func (d *Deployer) agree(dir string) error {
	path := filepath.Join(dir, credentialsFile)
	if exists(path) {
		return nil
	}
	cred, err := d.o.Credentials()
	if err != nil {
		return fmt.Errorf("making credentials: %w", err)
	}
	return jsonfile.Write(path, cred)
}

// brief notes what a controller is to know of other clouds. One that runs goes on
// with what it knew when it started.
func (d *Deployer) brief(dir string) error {
	if d.o.Brief == nil {
		return nil
	}
	notes, err := readNotes(dir)
	if err != nil {
		return err
	}
	wanted, err := d.o.Brief(notes)
	if err != nil {
		return err
	}
	for cloud, where := range wanted {
		if before, noted := notes[cloud]; noted && before == where {
			continue
		}
		if err := note(dir, cloud, where); err != nil {
			return err
		}
	}
	return nil
}

// show keeps what a controller is to show clouds, if anything is said of it. One that
// runs sees it.
func (d *Deployer) show(dir string, shown serve.CloudCredentials) error {
	for name, given := range map[string]serve.CloudCredentials{shownFile: shown, ownShownFile: d.o.Shown} {
		if given == nil {
			continue
		}
		if err := jsonfile.Write(filepath.Join(dir, name), given); err != nil {
			return err
		}
	}
	return nil
}

// shownIn gives what a controller with a directory shows clouds, or would.
func (d *Deployer) shownIn(dir string) serve.CredentialsOf {
	return func(_ context.Context, cloud string) (string, error) {
		text, err := readShown(dir, cloud)
		if text == "" && err == nil {
			text = d.o.Shown[cloud]
		}
		return text, err
	}
}

// start starts a controller.
func (d *Deployer) start(ctx context.Context, h home, service string) (process, error) {
	// A controller that has lost its directory holds a lock nobody can see.
	if err := killAll(ctx, h, controllerOf(service)); err != nil {
		return process{}, err
	}
	dir := h.controller(service)
	log, err := os.OpenFile(filepath.Join(dir, controllerLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("opening the controller's log: %w", err)
	}
	defer log.Close()
	// Without an end: it is to outlive everything here.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), d.o.Executable, "controller", "--home", string(h), "--name", service)
	cmd.Env = append(task.Inherited(os.Environ()), envHome+"="+string(h), envController+"="+service)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("starting the controller: %w", err)
	}
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		return process{}, errors.Join(fmt.Errorf("starting the controller: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	d.children.adopt(p, cmd)
	return p, nil
}

// await waits until the controller that runs as p answers; errEnded means that
// it ended before.
func (d *Deployer) await(ctx context.Context, h home, service string, p process) (serve.Client, error) {
	files, err := changes.Watch(h.controller(service))
	if err != nil {
		return nil, fmt.Errorf("watching the controller: %w", err)
	}
	defer files.Close()
	waiting, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- p.wait(waiting)
	}()
	defer func() { cancel(); <-done }()
	pause := time.NewTicker(answerPause)
	defer pause.Stop()
	for {
		client, err := d.connect(ctx, h, service, p)
		if err == nil {
			return client, nil
		}
		if !errors.Is(err, serve.ErrUnreachable) && ctx.Err() == nil {
			return nil, err
		}
		retry := pause.C
		if public, err := readPublication(h.controller(service)); err != nil || public.Process != p {
			retry = nil // there is nobody to ask; the publication will wake us
		}
		select {
		case e := <-files.Events:
			if filepath.Base(e.Name) != accessFile {
				continue
			}
		case err := <-files.Failed:
			d.o.Log.WarnContext(ctx, "watching the controller", "error", err)
		case <-retry:
		case err := <-ended:
			if err == nil {
				err = errEnded
			}
			return nil, err
		case <-ctx.Done():
			return nil, fmt.Errorf("it does not answer: %w: %w", err, ctx.Err())
		}
	}
}

// lastWordsOf gives the last lines of a controller's log.
func lastWordsOf(ctx context.Context, dir string) string {
	log, err := logfile.Open(ctx, filepath.Join(dir, controllerLog), serve.LogOptions{Tail: lastWords}, nil)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	lines, err := io.ReadAll(log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(lines))
}

// controllerOf chooses the processes that are controllers of the service.
func controllerOf(service string) func(owner) bool {
	return func(o owner) bool { return o.controller == service }
}
