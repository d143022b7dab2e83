// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	suffix = ".tar.gz"
	part   = ".part-" // begins the name of a bundle that is being written
)

// Dir keeps bundles in a directory, each under its digest. One Dir at a time
// may use the directory; its methods may be called at the same time.
type Dir struct {
	path string
}

// OpenDir makes the directory when there is none, and clears away what a crash
// has left of bundles that were being written.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("opening bundles: %w", err)
	}
	d := &Dir{path: path}
	err := d.remove(func(name string) bool { return strings.HasPrefix(name, part) })
	if err != nil {
		return nil, fmt.Errorf("opening bundles: %w", err)
	}
	return d, nil
}

// Has reports whether the bundle is there. A malformed digest is
// [serve.ErrInvalid], here and in the other methods.
func (d *Dir) Has(digest string) (bool, error) {
	name, err := d.name(digest)
	if err == nil {
		_, err = os.Stat(name)
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, fmt.Errorf("finding bundle %q: %w", digest, err)
	}
}

// Put keeps a bundle. Content that does not have the digest is
// [serve.ErrInvalid], and is not kept. When Put returns without error the
// bundle outlasts a crash of the machine.
func (d *Dir) Put(digest string, content io.Reader) error {
	if err := d.put(digest, content); err != nil {
		return fmt.Errorf("keeping bundle %q: %w", digest, err)
	}
	return nil
}

func (d *Dir) put(digest string, content io.Reader) error {
	name, err := d.name(digest)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.path, part+"*")
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash), content)
	if sum := digestPrefix + hex.EncodeToString(hash.Sum(nil)); err == nil && sum != digest {
		err = fmt.Errorf("%w: the content has the digest %q", serve.ErrInvalid, sum)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(d.path)
}

// Open opens a bundle; [serve.ErrNotFound] means that it is not there.
func (d *Dir) Open(digest string) (io.ReadCloser, error) {
	name, err := d.name(digest)
	if err != nil {
		return nil, fmt.Errorf("opening bundle %q: %w", digest, err)
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening bundle %q: %w", digest, serve.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("opening bundle %q: %w", digest, err)
	}
	return f, nil
}

// Keep removes every bundle but those named. A bundle that is open stays
// readable until it is closed.
func (d *Dir) Keep(digests ...string) error {
	kept := make(map[string]bool, len(digests))
	for _, digest := range digests {
		name, err := d.name(digest)
		if err != nil {
			return fmt.Errorf("removing bundles: %w", err)
		}
		kept[filepath.Base(name)] = true
	}
	err := d.remove(func(name string) bool { return strings.HasSuffix(name, suffix) && !kept[name] })
	if err != nil {
		return fmt.Errorf("removing bundles: %w", err)
	}
	return nil
}

func (d *Dir) remove(unwanted func(name string) bool) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if unwanted(e.Name()) {
			errs = append(errs, os.Remove(filepath.Join(d.path, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) name(digest string) (string, error) {
	sum, err := parseDigest(digest)
	if err != nil {
		return "", err
	}
	return filepath.Join(d.path, sum+suffix), nil
}

// syncDir makes the names in a directory last through a crash of the machine.
// Where a directory cannot be synced the system sees to that by itself.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	// The error is of no use: Windows refuses what it does not need.
	_ = f.Sync()
	return f.Close()
}
