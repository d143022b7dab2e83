// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"archive/tar"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// mustBuild builds an image.
func mustBuild(t *testing.T, version string, programs []Binary) *Image {
	t.Helper()
	image, err := Build(version, programs)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestTheDigestDependsOnProgramsAndVersionOnly(t *testing.T) {
	t.Parallel()
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	again := binaries(t, "a program") // other files, of another time
	slices.Reverse(again)
	if got := mustBuild(t, "1.2.3", again).Digest(); got != image.Digest() {
		t.Errorf("built again, the digest is %s and not %s", got, image.Digest())
	}
	seen := map[string]string{image.Digest(): "the first image"}
	for name, other := range map[string]*Image{
		"another version":  mustBuild(t, "1.2.4", binaries(t, "a program")),
		"another program":  mustBuild(t, "1.2.3", binaries(t, "a different program")),
		"another platform": mustBuild(t, "1.2.3", binaries(t, "a program")[:1]),
	} {
		if same, found := seen[other.Digest()]; found {
			t.Errorf("%s has the digest of %s", name, same)
		}
		seen[other.Digest()] = name
	}
}

// A digest that is written down shows what no second run on the same machine
// can: that nothing of the machine goes in. It changes only when the image is
// meant to; the compression, which may change with Go, is not in it.
func TestTheContentIsWhatItWasOnAnotherMachine(t *testing.T) {
	t.Parallel()
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	manifest, err := image.index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"amd64": "sha256:a354c06022a24e1a24b7639742325d7db9d765b51f38884c2d92bc1a1f0b980d",
		"arm64": "sha256:1bf05e22225230517502220d010ab5ef2ac8285c0122f5e376ddbc5edc2dd322",
	}
	for _, m := range manifest.Manifests {
		one, err := image.index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := one.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		// The configuration covers the layer by the digest of its uncompressed content.
		if got := config.String(); got != want[m.Platform.Architecture] {
			t.Errorf("the configuration for %s has the digest %s", m.Platform, got)
		}
	}
}

func TestTheImageHasTheProgramAndNothingElse(t *testing.T) {
	t.Parallel()
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	manifest, err := image.index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		one, err := image.index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := one.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("there are %d layers, %v", len(layers), err)
		}
		entries := read(t, layers[0])
		if len(entries) != 2 || entries[0].Name != "serve" || entries[0].Mode != 0o755 || entries[1].Name != "tmp/" || entries[1].Mode != 0o1777 {
			t.Errorf("the image for %s has %+v", m.Platform, entries)
		}
		for _, e := range entries {
			if e.Uid != 0 || e.Gid != 0 || e.Uname != "" || e.Gname != "" || e.ModTime.Unix() != 0 {
				t.Errorf("%s is of %d:%d (%s:%s) and %s", e.Name, e.Uid, e.Gid, e.Uname, e.Gname, e.ModTime)
			}
		}
	}
}

// read gives the headers of what is in a layer.
func read(t *testing.T, layer v1.Layer) []*tar.Header {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var headers []*tar.Header
	for archive := tar.NewReader(content); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return headers
		}
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
	}
}

func TestWhatMakesNoImageIsRefused(t *testing.T) {
	t.Parallel()
	two := binaries(t, "")
	for want, programs := range map[string][]Binary{
		"there is no program":                nil,
		"there are two programs for linux":   {two[0], two[1], two[0]},
		"no such file":                       {{AMD64, "nowhere"}},
		"building the image for linux/arm64": {{ARM64, two[0].Path}},
	} {
		if _, err := Build("1.2.3", programs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, and does not say %q", err, want)
		}
	}
}
