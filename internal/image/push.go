// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Target is a place in a registry.
type Target struct{ tag name.Tag }

// ParseTarget reads a target written as REPOSITORY[:TAG]. Without a tag it is
// that of the version. A registry that is not on this machine's loopback or in
// its private network must speak TLS, unless insecure says that it need not.
func ParseTarget(text, version string, insecure bool) (Target, error) {
	options := []name.Option{name.WithDefaultTag(tagOf(version))}
	if insecure {
		options = append(options, name.Insecure)
	}
	tag, err := name.NewTag(text, options...)
	if err != nil {
		return Target{}, fmt.Errorf("%q is not REPOSITORY[:TAG]: %w", text, err)
	}
	return Target{tag}, nil
}

// Push brings the image into a registry, with the credentials that docker,
// podman or a credential helper has for it, and gives the reference by digest.
// What the registry has already it is not sent again. The tag moves last, so
// that it never names an image that is not all there.
func (i *Image) Push(ctx context.Context, to Target) (string, error) {
	err := remote.WriteIndex(to.tag, i.index, i.options(ctx)...)
	if err != nil {
		return "", fmt.Errorf("pushing the image to %s%s: %w", to.tag.Name(), hint(err), err)
	}
	return to.tag.Digest(i.Digest()).Name(), nil
}

// hint says what to do about an error a registry does not explain.
func hint(err error) string {
	refusal, ok := errors.AsType[*transport.Error](err)
	if ok && (refusal.StatusCode == http.StatusUnauthorized || refusal.StatusCode == http.StatusForbidden) {
		return " (credentials are those of docker login or podman login)"
	}
	return ""
}

// Ensure brings the image into a registry if it is not there, and gives the
// reference by digest. Where it is there already nothing is sent, and the tag
// stays where it is.
func (i *Image) Ensure(ctx context.Context, to Target) (string, error) {
	reference := to.tag.Digest(i.Digest())
	_, err := remote.Head(reference, i.options(ctx)...)
	if err == nil {
		return reference.Name(), nil
	}
	// Some registries refuse to be asked for a repository that is yet to be made.
	answer, ok := errors.AsType[*transport.Error](err)
	if ok && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return i.Push(ctx, to)
	}
	return "", fmt.Errorf("looking for the image in %s%s: %w", to.tag.Repository.Name(), hint(err), err)
}

// options say how registries are talked to.
func (i *Image) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithUserAgent("terraform-provider-serve/" + i.version),
	}
}
