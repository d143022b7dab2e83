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
	"path/filepath"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/changes"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The files of a controller.
const (
	controllerLock  = "lock"
	deployLock      = "deploy.lock"
	credentialsFile = "credentials.json"
	accessFile      = "access.json"
	controllerLog   = "controller.log"
	// cloudsDir has a file for each other cloud that was used.
	cloudsDir = "clouds"
	// shownFile has what other clouds are shown, and ownShownFile what they are if
	// nothing is said there.
	shownFile    = "cloud-credentials.json"
	ownShownFile = "own-cloud-credentials.json"
)

// claimPatience is how long a claim waits for those who are just looking
// whether the lock is held.
const claimPatience = time.Second

// Claim is a controller's hold on its service: as long as its process lives and
// has not released it, no other controller of the service can be.
type Claim struct {
	home   home
	dir    string
	unlock func()
	self   process
}

// Publication is what a controller has made known of itself.
type Publication struct {
	// URL is where the controller answers, Endpoint where the service does, and Page
	// where browsers are shown it; empty when they are not.
	URL      string `json:"url"`
	Endpoint string `json:"endpoint"`
	Page     string `json:"page,omitempty"`
	// Process is the controller's.
	Process process `json:"process"`
}

// ClaimController makes the calling process the controller of the service.
// serve.ErrConflict means that there is one already.
func ClaimController(ctx context.Context, root, service string) (*Claim, error) {
	c, err := claimController(ctx, root, service)
	if err != nil {
		return nil, fmt.Errorf("claiming service %q: %w", service, err)
	}
	return c, nil
}

func claimController(ctx context.Context, root, service string) (*Claim, error) {
	if err := checkName(service); err != nil {
		return nil, err
	}
	h, err := makeHome(root)
	if err != nil {
		return nil, err
	}
	c := &Claim{home: h, dir: h.controller(service)}
	if c.self, err = identify(os.Getpid()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(c.dir, controllerLock)
	patient, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	c.unlock, err = lock(patient, path)
	if err != nil {
		if patient.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("it has a controller: %w", serve.ErrConflict)
		}
		return nil, err
	}
	// In place, as a file that replaces it would not be locked.
	if err := os.WriteFile(path, mustEncode(c.self), 0o600); err != nil {
		c.unlock()
		return nil, err
	}
	return c, nil
}

// Dir is the directory the controller may keep its files in. It is removed when
// the controller is destroyed.
func (c *Claim) Dir() string { return c.dir }

// Credentials gives what was agreed on when the controller was deployed;
// serve.ErrNotFound when it never was.
func (c *Claim) Credentials() (serve.Credentials, error) {
	var cred serve.Credentials
	err := jsonfile.Read(filepath.Join(c.dir, credentialsFile), &cred)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	}
	return cred, err
}

// Published gives what was published last, also by a controller before this
// one, so that its addresses can be kept; serve.ErrNotFound when nothing was.
func (c *Claim) Published() (Publication, error) { return readPublication(c.dir) }

// Taken gives the endpoints of the other services here, as host:port. They stay
// theirs while their controllers are down.
func (c *Claim) Taken() ([]string, error) {
	entries, err := os.ReadDir(c.home.controllers())
	if err != nil {
		return nil, fmt.Errorf("reading which endpoints are taken: %w", err)
	}
	var taken []string
	for _, e := range entries {
		dir := filepath.Join(c.home.controllers(), e.Name())
		if !e.IsDir() || dir == c.dir || strings.HasPrefix(e.Name(), ".") {
			continue // what begins with a dot is what a destroyed service left
		}
		p, err := readPublication(dir)
		switch {
		case errors.Is(err, serve.ErrNotFound):
		case err != nil:
			return nil, fmt.Errorf("reading the endpoint of service %q: %w", e.Name(), err)
		default:
			taken = append(taken, p.Endpoint)
		}
	}
	return taken, nil
}

// Publish makes known that the controller now answers at url and the service at
// endpoint, and where its page is. Whoever waits for that is woken.
func (c *Claim) Publish(url, endpoint, page string) error {
	return jsonfile.Write(filepath.Join(c.dir, accessFile), Publication{URL: url, Endpoint: endpoint, Page: page, Process: c.self})
}

// Note keeps that the controller has machines in a cloud other than this machine,
// and by which name it knows the place (a context, a profile), so that their end
// can be seen to when there is nobody left to ask.
func (c *Claim) Note(cloud, where string) error { return note(c.dir, cloud, where) }

func note(dir, cloud, where string) error {
	if err := os.MkdirAll(filepath.Join(dir, cloudsDir), 0o700); err != nil {
		return fmt.Errorf("noting the use of cloud %q: %w", cloud, err)
	}
	return jsonfile.Write(filepath.Join(dir, cloudsDir, cloud), where)
}

// Notes gives what was noted: by which name the place in each cloud is known.
func (c *Claim) Notes() (map[string]string, error) { return readNotes(c.dir) }

func readNotes(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, cloudsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading which clouds are used: %w", err)
	}
	notes := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // half written
		}
		var where string
		if err := jsonfile.Read(filepath.Join(dir, cloudsDir, e.Name()), &where); err != nil {
			return nil, fmt.Errorf("reading which clouds are used: %w", err)
		}
		notes[e.Name()] = where
	}
	return notes, nil
}

// CloudCredentials gives what the controller is to show a cloud.
func (c *Claim) CloudCredentials(_ context.Context, cloud string) (string, error) {
	return readShown(c.dir, cloud)
}

// FollowCredentials calls given when what clouds are to be shown may have changed, until
// ctx ends.
func (c *Claim) FollowCredentials(ctx context.Context, given func()) error {
	files, err := changes.Watch(c.dir)
	if err != nil {
		return err
	}
	defer files.Close()
	given() // before it was watched
	for {
		select {
		case e := <-files.Events:
			if name := filepath.Base(e.Name); name == shownFile || name == ownShownFile {
				given()
			}
		case err := <-files.Failed:
			if err != nil {
				given() // it may have been missed
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// readShown reads what a cloud is shown; nothing where nothing was given.
func readShown(dir, cloud string) (string, error) {
	for _, name := range []string{shownFile, ownShownFile} {
		var all serve.CloudCredentials
		if err := jsonfile.Read(filepath.Join(dir, name), &all); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("reading the credentials for cloud %q: %w", cloud, err)
		}
		if text := all[cloud]; text != "" {
			return text, nil
		}
	}
	return "", nil
}

// Log gives a writer to the controller's log, which is rotated when it is full.
func (c *Claim) Log() io.WriteCloser { return logfile.Create(filepath.Join(c.dir, controllerLog)) }

// Logs opens the controller's log. Following ends with ctx.
func (c *Claim) Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	return logfile.Open(ctx, filepath.Join(c.dir, controllerLog), opt, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// Release lets another controller claim the service.
func (c *Claim) Release() { c.unlock() }

func readPublication(dir string) (Publication, error) {
	var p Publication
	err := jsonfile.Read(filepath.Join(dir, accessFile), &p)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	}
	return p, err
}

// holder gives the process that holds the claim on the service; ok is false
// when nobody does. It waits for a holder that has not said yet who it is.
func holder(ctx context.Context, h home, service string) (p process, ok bool, err error) {
	path := filepath.Join(h.controller(service), controllerLock)
	look := time.NewTicker(lockPatience)
	defer look.Stop()
	for {
		held, err := isLocked(path)
		if err != nil || !held {
			return process{}, false, err
		}
		// What a dead holder has written must not be taken for the living one's.
		if err := jsonfile.Read(path, &p); err == nil && p.alive() {
			return p, true, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return process{}, false, fmt.Errorf("waiting for the controller to say who it is: %w", ctx.Err())
		}
	}
}
