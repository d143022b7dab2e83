// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

const (
	// deployPatience is how long a controller may take from the first call until it
	// answers, and lookPause how often it is asked.
	deployPatience = 10 * time.Minute
	lookPause      = time.Second
	// wordsPatience is how long it may take to find out why it does not.
	wordsPatience = 10 * time.Second
)

// Deploy implements [serve.Deployer]. Everything is made that is not there, in an
// order in which the bucket, by which a controller is found, comes first.
func (d *Deployer) Deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	client, err := d.deploy(ctx, service, opt)
	if err != nil {
		return nil, fmt.Errorf("deploying the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) deploy(ctx context.Context, service string, opt serve.DeployOptions) (serve.Client, error) {
	if opt.Image != "" || opt.ImageRepository != "" || opt.Copies != 0 || opt.Endpoint.Type != "" || len(opt.Endpoint.Annotations) > 0 {
		return nil, fmt.Errorf("a controller on %s is run from the program that deploys it, in one copy, with an address of its own: %w", d.cloud, serve.ErrInvalid)
	}
	ctx, leave, err := d.services.Enter(ctx, service)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, deployPatience)
	defer cancel()
	programs, err := d.programs()
	if err != nil {
		return nil, err
	}
	defer programs.close()
	e, err := d.estate(ctx, service)
	if err != nil {
		return nil, err
	}
	b, err := e.MakeBucket(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := show(ctx, b, opt.CloudCredentials)
	if err != nil {
		return nil, err
	}
	s, err := d.furnish(ctx, e, b, programs, shown)
	if err != nil {
		return nil, err
	}
	if err := e.Build(ctx, programs.host()); err != nil {
		return nil, err
	}
	return d.await(ctx, e, b, s)
}

// programs are those of this release, by their architectures: the controller's own,
// and those that its machines are run by.
type programs map[string]*agent.Program

// programs gives those that there are, of which one is enough.
func (d *Deployer) programs() (programs, error) {
	all := programs{}
	var errs []error
	for _, architecture := range []string{"amd64", "arm64"} {
		p, err := d.means.Program(architecture)
		if err == nil {
			all[architecture] = p
		}
		errs = append(errs, err)
	}
	if len(all) == 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// host is the architecture of the controller's machine.
func (p programs) host() string {
	if p["amd64"] != nil {
		return "amd64"
	}
	return "arm64"
}

func (p programs) close() {
	for _, program := range p {
		_ = program.Close() // it was only read
	}
}

// furnish has the bucket hold all that the controller needs. Shown tells what clouds are
// to be shown from what they were before; empty is that it is the same.
func (d *Deployer) furnish(ctx context.Context, e Estate, b bucket.Bucket, all programs, shown string) (settings, error) {
	before, _, err := told(ctx, b)
	if err != nil {
		return settings{}, err
	}
	config, err := json.Marshal(e.Config())
	if err != nil {
		return settings{}, fmt.Errorf("writing how the controller reaches its cloud: %w", err)
	}
	s := settings{Program: all[all.host()].Digest(), Programs: map[string]string{}, Config: config, Briefs: d.means.Briefs, Shown: shown}
	if s.credentials, err = d.credentials(ctx, b); err != nil {
		return settings{}, err
	}
	// From now on it is known that there is no machine yet. Of a controller that was
	// there before it is not.
	if before.Program == "" {
		if _, err := b.Put(ctx, placeKey, []byte(e.Nowhere()), bucket.Condition{Absent: true}); err != nil && !errors.Is(err, serve.ErrConflict) {
			return settings{}, err
		}
	}
	for architecture, program := range all {
		s.Programs[architecture] = program.Digest()
		if err := bring(ctx, b, program); err != nil {
			return settings{}, fmt.Errorf("bringing the controller's program into its bucket: %w", err)
		}
	}
	return settle(ctx, e, b, s)
}

// settle gives the controller an address, and tells it that with all else. Of those who
// deploy at the same moment, each may have made one: whose settings are there first has
// chosen for all, and only when that is clear are others given back.
func settle(ctx context.Context, e Estate, b bucket.Bucket, s settings) (settings, error) {
	for shown := s.Shown; ; {
		before, tag, err := told(ctx, b)
		if err != nil {
			return settings{}, err
		}
		s.Shown = cmp.Or(shown, before.Shown)
		if s.Address, err = e.MakeAddress(ctx, before.Address); err != nil {
			return settings{}, err
		}
		err = bucket.Write(ctx, b, settingsKey, s, bucket.Condition{Absent: tag == "", Still: tag})
		if errors.Is(err, serve.ErrConflict) {
			continue // somebody else was faster
		}
		if err != nil {
			return settings{}, err
		}
		return s, e.KeepAddress(ctx, s.Address)
	}
}

// told gives the settings that there are, with the tag of that object; none of both if
// there are none.
func told(ctx context.Context, b bucket.Bucket) (settings, string, error) {
	var s settings
	content, tag, err := b.Get(ctx, settingsKey)
	if errors.Is(err, serve.ErrNotFound) {
		return s, "", nil
	}
	if err != nil {
		return s, "", err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, "", fmt.Errorf("reading %s: %w", settingsKey, err)
	}
	return s, tag, nil
}

// credentials gives those of the controller, which whoever was first has made.
func (d *Deployer) credentials(ctx context.Context, b bucket.Bucket) (serve.Credentials, error) {
	var known serve.Credentials
	err := bucket.Read(ctx, b, credentialsKey, &known)
	if !errors.Is(err, serve.ErrNotFound) {
		return known, err
	}
	if known, err = d.means.Credentials(); err != nil {
		return known, err
	}
	err = bucket.Write(ctx, b, credentialsKey, known, bucket.Condition{Absent: true})
	if errors.Is(err, serve.ErrConflict) {
		err = bucket.Read(ctx, b, credentialsKey, &known)
	}
	return known, err
}

// await waits until the controller has started with what it was told, and answers.
func (d *Deployer) await(ctx context.Context, e Estate, b bucket.Bucket, s settings) (serve.Client, error) {
	var why error
	for {
		client, err := d.look(ctx, b, s)
		if err == nil {
			return client, nil
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		if !turns.Sleep(ctx, lookPause) {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), wordsPatience)
			defer cancel()
			return nil, fmt.Errorf("%w: %w%s", why, context.Cause(ctx), e.LastWords(last))
		}
	}
}

// look gives a client for the controller if it answers, and has started with what it
// was told last.
func (d *Deployer) look(ctx context.Context, b bucket.Bucket, s settings) (serve.Client, error) {
	var now running
	if err := bucket.Read(ctx, b, runningKey, &now); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return nil, err
	}
	client, err := d.connect(ctx, s)
	if err == nil && now.Told != s.digest() {
		return nil, fmt.Errorf("it has not started anew: %w", serve.ErrUnreachable)
	}
	return client, err
}

// LastWords gives the end of what a machine has printed, in words that follow an
// error.
func LastWords(machine, printed string) string {
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	return "; its machine " + machine + " has printed last:\n" + strings.Join(lines[max(0, len(lines)-10):], "\n")
}
