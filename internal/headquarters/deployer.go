// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// answerPatience is how long a controller that should be there may take to answer.
const answerPatience = 10 * time.Second

// Means are what a controller is deployed with, wherever it is to be.
type Means struct {
	// Program gives the program of controllers and agents for an architecture, which
	// is Go's word for it.
	Program func(architecture string) (*agent.Program, error)
	// Credentials makes new ones for a controller and its clients.
	Credentials func() (serve.Credentials, error)
	// Connect gives a client for a controller. It need not reach it yet.
	Connect func(serve.Access) (serve.Client, error)
	// Abroad gives the clouds that a controller has machines from beside its own, which
	// may be among them; nil gives none.
	Abroad func(Abroad) []serve.Cloud
	// Briefs are how it is to reach them, by their names and in the form of a note.
	Briefs map[string]string
}

// Estate is all there is of one controller in its cloud. It is found by names that
// follow from that of the service, so that whoever makes it again makes it once.
type Estate interface {
	// Bucket gives the controller's bucket, which may not be there.
	Bucket(ctx context.Context) (bucket.Bucket, error)
	// MakeBucket makes it, so that nobody can read it who was not given a right to it.
	MakeBucket(ctx context.Context) (bucket.Bucket, error)
	// MakeAddress gives the controller's address: the one that it has, or a new one.
	MakeAddress(ctx context.Context, before Address) (Address, error)
	// KeepAddress gives all other addresses of the controller back, of which there are
	// some when an answer was lost, or when somebody else has deployed at the same moment.
	KeepAddress(ctx context.Context, settled Address) error
	// Config is how the controller is to reach its cloud, which has no secret in it.
	Config() any
	// Nowhere is what is noted of where there are machines before there are any.
	Nowhere() string
	// Build makes the machine, of an architecture in Go's words, and what it takes to
	// make it. One that is there stays, if it is as it should be.
	Build(ctx context.Context, architecture string) error
	// LastWords is what is known of a machine that does not answer, to be put behind
	// the error that says so: what it has printed last.
	LastWords(ctx context.Context) string
	// Left reports whether something is there besides the bucket that costs something.
	Left(ctx context.Context) (bool, error)
	// End ends the machine, and returns when there is none any more.
	End(ctx context.Context) error
	// Cloud gives the cloud, to look for machines where they were noted last; nil is
	// that nothing is known, and that they may be everywhere.
	Cloud(noted *string) (serve.Cloud, error)
	// Remove removes whatever else there is, and the bucket last: as long as that is
	// there the controller is listed, and can be destroyed again.
	Remove(ctx context.Context) error
}

// Deployer runs controllers on machines of a cloud. It is the part of a
// [serve.Deployer] that is the same in all of them.
type Deployer struct {
	cloud    string // in words
	means    Means
	estate   func(ctx context.Context, service string) (Estate, error)
	services turns.Turns[string]
}

// NewDeployer gives the deployer of a cloud, which is named for people, by what gives
// the estate of a service.
func NewDeployer(cloud string, m Means, estate func(ctx context.Context, service string) (Estate, error)) *Deployer {
	return &Deployer{cloud: cloud, means: m, estate: estate}
}

// CheckName implements [serve.NameChecker]. The name is part of that of a bucket.
func (d *Deployer) CheckName(service string) error {
	if len(service) <= 40 && regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`).MatchString(service) {
		return nil
	}
	return fmt.Errorf("a service with a controller on %s has a name of lower-case letters, digits and \"-\", which begins and ends with one of the first two and has at most 40 characters, and not %q: %w", d.cloud, service, serve.ErrInvalid)
}

// Find implements [serve.Deployer].
func (d *Deployer) Find(ctx context.Context, service string) (serve.Client, error) {
	client, err := d.find(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("finding the controller of service %q: %w", service, err)
	}
	return client, nil
}

func (d *Deployer) find(ctx context.Context, service string) (serve.Client, error) {
	e, err := d.estate(ctx, service)
	if err != nil {
		return nil, err
	}
	b, err := e.Bucket(ctx)
	if err != nil {
		return nil, err
	}
	s, err := read(ctx, b)
	if errors.Is(err, serve.ErrNotFound) {
		// Something of it may be left all the same. To call it gone then would be to
		// leave that running for ever.
		return nil, leftover(ctx, e, err)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	return d.connect(ctx, s)
}

// leftover says of a controller without a bucket that it is gone, if nothing of it
// is left.
func leftover(ctx context.Context, e Estate, gone error) error {
	left, err := e.Left(ctx)
	if err != nil {
		return err
	}
	if left {
		return fmt.Errorf("its bucket was deleted or is not complete, but something of it is there: %w", serve.ErrUnreachable)
	}
	return gone
}

// connect gives a client for the controller, if it answers.
func (d *Deployer) connect(ctx context.Context, s settings) (serve.Client, error) {
	client, err := d.means.Connect(serve.Access{
		URL:   "https://" + net.JoinHostPort(s.Address.IP, strconv.Itoa(APIPort)),
		Token: s.credentials.Token, Certificate: s.credentials.Certificate,
	})
	if err != nil {
		return nil, err
	}
	_, err = client.Service(ctx)
	switch {
	case err == nil, errors.Is(err, serve.ErrNotFound):
		return client, nil
	case errors.Is(err, serve.ErrUnauthorized), errors.Is(err, serve.ErrUnreachable):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
}

// Destroy implements [serve.Deployer].
func (d *Deployer) Destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	swept, err := d.destroy(ctx, service)
	if err != nil {
		return swept, fmt.Errorf("destroying the controller of service %q: %w", service, err)
	}
	return swept, nil
}

func (d *Deployer) destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	ctx, leave, err := d.services.Enter(ctx, service)
	if err != nil {
		return nil, err
	}
	defer leave()
	e, err := d.estate(ctx, service)
	if err != nil {
		return nil, err
	}
	if err := e.End(ctx); err != nil {
		return nil, err
	}
	b, err := e.Bucket(ctx)
	if err != nil {
		return nil, err
	}
	where, err := noted(ctx, b)
	if err != nil {
		return nil, err
	}
	cloud, err := e.Cloud(where)
	if err != nil {
		return nil, err
	}
	swept, err := serve.Sweep(ctx, cloud, service)
	if err != nil {
		return swept, fmt.Errorf("ending the machines of the service: %w", err)
	}
	others, err := d.sweepAbroad(ctx, b, service, cloud.Name())
	swept = append(swept, others...)
	if err != nil {
		return swept, err
	}
	return swept, e.Remove(ctx)
}

// noted gives what was noted last of where there are machines; nil if nothing was.
func noted(ctx context.Context, b bucket.Bucket) (*string, error) {
	text, _, err := b.Get(ctx, placeKey)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading where there are machines: %w", err)
	}
	return new(string(text)), nil
}
