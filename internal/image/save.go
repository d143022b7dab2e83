// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
)

// refName is the annotation by which an entry of a layout is found, as in
// "podman run oci:DIR:1.2.3".
const refName = "org.opencontainers.image.ref.name"

// Save writes the image into a directory as an OCI layout, under the name of its
// version. The directory is made, must be empty, or is a layout already, whose
// other entries stay.
func (i *Image) Save(dir string) error {
	to, err := openLayout(dir)
	if err != nil {
		return fmt.Errorf("saving the image to %s: %w", dir, err)
	}
	name := tagOf(i.version)
	// The entry is written after all it refers to: what is broken off leaves a
	// layout without it, and no broken image.
	err = to.ReplaceIndex(i.index, match.Name(name), layout.WithAnnotations(map[string]string{refName: name}))
	if err != nil {
		return fmt.Errorf("saving the image to %s: %w", dir, err)
	}
	return nil
}

// openLayout opens a layout, or begins one where nothing is.
func openLayout(dir string) (layout.Path, error) {
	files, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(files) == 0:
		return layout.Write(dir, empty.Index)
	case err != nil:
		return "", err
	}
	// Files of somebody else's are not to be mixed with ours.
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return "", errors.New("the directory is neither empty nor an OCI layout")
	}
	return layout.FromPath(dir)
}
