// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"context"
	"io"
)

// Deployer puts a service's controller somewhere and finds it again.
type Deployer interface {
	// Name is the infra the controller runs on: "local".
	Name() string
	// Clouds lists the clouds the deployed controller can have machines from.
	Clouds() []string
	// Deploy makes sure that a controller for the service runs, starting one when
	// none does and starting it again when it is dead, and returns when it
	// answers. Doing so twice is doing it once. ErrInvalid means that opt asks for
	// something that there is not on this infra.
	Deploy(ctx context.Context, service string, opt DeployOptions) (Client, error)
	// Find gives a client for the service's controller. ErrNotFound means that
	// none was ever deployed or that it was destroyed; ErrUnreachable that one was
	// deployed and does not answer, so that nothing is known of the service.
	Find(ctx context.Context, service string) (Client, error)
	// Destroy ends the service's controller, alive or dead, and then every
	// machine tagged with the service's name in every cloud, asking the clouds
	// themselves rather than any record. It returns when nothing is left and
	// names the machines it had to end. Nothing there is success.
	Destroy(ctx context.Context, service string) (swept []Instance, err error)
	// List names every service that has a controller here, alive or dead.
	List(ctx context.Context) ([]string, error)
}

// DeployOptions say how a controller is to be run. The zero value leaves it all
// to the infra, and only some infras let anything be chosen.
type DeployOptions struct {
	// Image names the image that the controller is run from; empty is the one that
	// belongs to the program that deploys.
	Image string
	// ImageRepository is a repository that the image is brought into, if it is not
	// there, and run from; empty is where a release has published it. It is not
	// looked at when there is an Image.
	ImageRepository string
	// Copies is how many copies of the controller there are; 0 leaves it to the
	// infra. Services that share a controller share its image and copies, too:
	// those deployed last.
	Copies int
	// Endpoint says how the service's endpoint is made reachable.
	Endpoint EndpointOptions
	// CloudCredentials are what the controller is to show clouds from now on. Nil
	// leaves it what it was given before; none takes that back.
	CloudCredentials CloudCredentials
}

// CloudCredentials are what a controller shows clouds that do not know the place it
// runs at, by the names of the clouds, each in a form that the cloud's package reads.
// They are secret, and kept by the controller alone.
type CloudCredentials map[string]string

// CredentialsOf gives what a controller is to show the cloud of a name; nothing if it
// was given none. They may be given anew; see [Keyholder].
type CredentialsOf func(ctx context.Context, cloud string) (string, error)

// EndpointOptions say how clients are to reach a service.
type EndpointOptions struct {
	// Type is one of the infra's ways, empty for the usual one.
	Type string
	// Annotations are passed on to whatever makes it reachable.
	Annotations map[string]string
}

// Namespaced is a [Deployer] whose services are in a namespace.
type Namespaced interface {
	// Namespace is the name of it.
	Namespace() (string, error)
}

// NameChecker is a [Deployer] whose infra does not take every name of a service.
type NameChecker interface {
	// CheckName gives ErrInvalid for a name that a service cannot have.
	CheckName(service string) error
}

// Client talks to the controller of one service. Every method may return
// ErrUnreachable, and ErrUnauthorized.
type Client interface {
	// Apply makes spec the newest revision, or changes nothing when it equals
	// the present one. A spec that is not valid gives [FieldErrors]; a service
	// that is being deleted, or is there although it must be new, ErrConflict.
	Apply(ctx context.Context, spec Spec, opt ApplyOptions) (Service, error)
	// Service gives the service as it is now; ErrNotFound before the first Apply
	// and after Delete has finished.
	Service(ctx context.Context) (Service, error)
	// Watch calls tell with the service as it is now and then after every change,
	// until tell returns false, ctx ends, or the service is gone (ErrNotFound).
	Watch(ctx context.Context, tell func(Service) bool) error
	// Delete asks the service to end: requests under way are finished, machines
	// are ended. It returns when the controller has taken note; Watch tells when
	// it is done.
	Delete(ctx context.Context) error
	// TerminateReplica drains and ends one replica; policy will replace it. For a
	// failed record purge removes it. ErrConflict means that it is being shut
	// down already, or has failed and purge is false; ErrNotFound that there is
	// no such replica.
	TerminateReplica(ctx context.Context, id int64, purge bool) error
	// HasBundle reports whether the controller holds the bundle already.
	HasBundle(ctx context.Context, digest string) (bool, error)
	// PutBundle gives the controller a bundle. ErrInvalid means that the content
	// does not have that digest.
	PutBundle(ctx context.Context, digest string, content io.Reader) error
	// Events gives events with Seq > after, oldest first; with follow it goes on
	// until tell returns false or ctx ends.
	Events(ctx context.Context, after int64, follow bool, tell func(Event) bool) error
	// Logs opens the log of a replica, or the controller's own when replica is 0.
	Logs(ctx context.Context, replica int64, opt LogOptions) (io.ReadCloser, error)
}

// ApplyOptions say how a spec is meant.
type ApplyOptions struct {
	// MustBeNew refuses a spec for a service that exists: of two who create it at
	// the same moment, one is told.
	MustBeNew bool `json:"must_be_new,omitempty"`
	// KeepSecrets keeps the secrets of the present revision instead of taking
	// those of the spec.
	KeepSecrets bool `json:"keep_secrets,omitempty"`
}

// Credentials are what a controller and those who talk to it share. They are
// made once, when the controller is deployed, and are secret but for the
// certificate.
type Credentials struct {
	// Token is the bearer token every request carries.
	Token string `json:"token"`
	// Certificate is the controller's own certificate in PEM, the only one its
	// clients accept; Key is its private key.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Access is how to reach a controller: its URL, and the credentials without
// the private key.
type Access struct {
	URL         string `json:"url"`
	Token       string `json:"token"`
	Certificate string `json:"certificate"`
}
