// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
)

// identityFile holds a home's identity.
const identityFile = "identity.json"

// Identity names the home at root among all homes there are, on any machine: by
// it services of one name that share a cluster or an account are told apart. It
// is made once, with the home if need be, and is fit to be a label.
func Identity(root string) (string, error) {
	h, err := makeHome(root)
	if err != nil {
		return "", err
	}
	path := filepath.Join(string(h), identityFile)
	var identity string
	if err := jsonfile.Read(path, &identity); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return identity, err
	}
	// Of several who make it at once the first one's counts: a link is made or not.
	fresh := filepath.Join(string(h), "."+identityFile+"-"+rand.Text())
	if err := jsonfile.Write(fresh, strings.ToLower(rand.Text())); err != nil {
		return "", err
	}
	defer os.Remove(fresh)
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making the home's identity: %w", err)
	}
	err = jsonfile.Read(path, &identity)
	return identity, err
}
