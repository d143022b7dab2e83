// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package image makes the bundled controller image: an OCI image around our own
// program, assembled without Docker and without a base image.
//
// An [Image] is an index with one image for each platform a [Binary] was given
// for. Each has one layer, with the program at [Path] and an empty /tmp, and
// nothing else: the program is static, and the certificates it trusts are linked
// into it. It runs as a user without rights unless it is told otherwise, and
// whoever runs it gives the arguments.
//
// The same programs and the same version give the same digest, on any machine
// and at any time: nothing of the clock, the file system or the user who builds
// it goes in. So a digest says which program runs, a registry that has the image
// already is sent nothing, and anybody can make sure that a published image is
// what its source gives. Only the compression depends on the version of Go this
// program was built with, as the programs themselves do.
package image

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Path is where the program lies in the image, whose entrypoint it is.
const Path = "/serve"

// user is who the program runs as: nobody in particular, by number, because
// Kubernetes can tell of a number only that it is not root. 65532 is what other
// images without a distribution use.
const user = "65532:65532"

// Image is the controller image for one or more platforms.
type Image struct {
	version string
	index   v1.ImageIndex
	digest  v1.Hash
}

// Build assembles the image of a version from its programs, one for each
// platform. Their order does not matter.
func Build(version string, programs []Binary) (*Image, error) {
	programs = slices.SortedFunc(slices.Values(programs), func(a, b Binary) int {
		return cmp.Compare(a.Platform, b.Platform)
	})
	labels := labelsOf(version)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, program := range programs {
		if i > 0 && programs[i-1].Platform == program.Platform {
			return nil, fmt.Errorf("there are two programs for %s: %s and %s", program.Platform, programs[i-1].Path, program.Path)
		}
		one, err := build(program, labels)
		if err != nil {
			return nil, fmt.Errorf("building the image for %s: %w", program.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        one,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: program.Platform.architecture()}},
		})
	}
	index, ok := mutate.Annotations(index, labels).(v1.ImageIndex)
	if !ok || len(programs) == 0 {
		return nil, fmt.Errorf("building the image of version %s: there is no program for it", version)
	}
	digest, err := index.Digest()
	if err != nil {
		return nil, fmt.Errorf("building the image: %w", err)
	}
	return &Image{version: version, index: index, digest: digest}, nil
}

// Digest gives the digest of the whole image, such as "sha256:2c26…".
func (i *Image) Digest() string { return i.digest.String() }

// build assembles the image for one platform.
func build(program Binary, labels map[string]string) (v1.Image, error) {
	content, err := program.read()
	if err != nil {
		return nil, err
	}
	layer, err := newLayer(content)
	if err != nil {
		return nil, err
	}
	// Tools want to be told a time of creation; without one they show the year 1.
	created := v1.Time{Time: time.Unix(0, 0).UTC()}
	config := &v1.ConfigFile{
		OS: "linux", Architecture: program.Platform.architecture(), Created: created,
		Config: v1.Config{Entrypoint: []string{Path}, User: user, WorkingDir: "/", Labels: maps.Clone(labels)},
		RootFS: v1.RootFS{Type: "layers"},
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err = mutate.ConfigFile(base, config)
	if err != nil {
		return nil, err
	}
	return mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: created, CreatedBy: "terraform-provider-serve image"},
	})
}

// labelsOf gives what the image says about itself, in the words of the OCI.
// Registries read it off the index, and people off a container.
func labelsOf(version string) map[string]string {
	const of = "org.opencontainers.image."
	return map[string]string{
		of + "title":       "terraform-provider-serve",
		of + "description": "The controller of HTTP services on spot machines with on-demand fallback",
		of + "licenses":    "MPL-2.0",
		of + "source":      "https://github.com/serve-infra/terraform-provider-serve",
		of + "version":     version,
	}
}

// tagOf gives a version as a tag, which must not have the plus sign that
// separates the build of a version.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }
