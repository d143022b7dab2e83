// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle

import (
	"archive/tar"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// maxPadding is how much a bundle may hold behind its last entry.
const maxPadding = 1 << 20

// Unpack makes path what the bundle's packed path was: a directory, whose
// entries join those that are there, or a file. Directories above it are made.
//
// Nothing is ever written outside of path. An entry that tries to be elsewhere,
// a link that leads outside, a device and the like, and a bundle that holds more
// than [MaxEntries] or [MaxBytes] are refused with an error that names the entry
// and is [serve.ErrInvalid]. What was unpacked before stays.
func Unpack(r io.Reader, path string) error {
	if err := unpack(r, path); err != nil {
		if malformed(err) {
			err = fmt.Errorf("%w: %w", serve.ErrInvalid, err)
		}
		return fmt.Errorf("unpacking to %q: %w", path, err)
	}
	return nil
}

// malformed tells an archive that is cut short or broken from one that merely
// could not be read on.
func malformed(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, tar.ErrHeader)
}

func unpack(r io.Reader, path string) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	u := unpacker{archive: tar.NewReader(zip)}
	if err := u.all(path); err != nil {
		return err
	}
	// The checksum comes last, behind the padding of the archive.
	_, err = io.CopyN(io.Discard, zip, maxPadding)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return fmt.Errorf("%w: more than %d bytes follow the last entry", serve.ErrInvalid, maxPadding)
	default:
		return err
	}
}

// unpacker is one bundle being read.
type unpacker struct {
	archive *tar.Reader
	tally   tally
	root    *os.Root
	links   []tar.Header
}

func (u *unpacker) all(target string) error {
	h, err := u.archive.Next()
	single := err == nil && h.Name == onlyFile && h.Typeflag == tar.TypeReg
	if single {
		// The file is made in the directory around it, which is the root then.
		h.Name = filepath.Base(target)
		target = filepath.Dir(target)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	root, openErr := os.OpenRoot(target)
	if openErr != nil {
		return openErr
	}
	defer root.Close()
	u.root = root
	for ; err == nil; h, err = u.archive.Next() {
		if single && u.tally.entries > 0 {
			return fmt.Errorf("%w: entry %q comes after what was to be the only file", serve.ErrInvalid, h.Name)
		}
		if err := u.entry(h); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
	if err != io.EOF {
		return err
	}
	// Links come last, so that no entry is ever written through one.
	for _, h := range u.links {
		if err := u.link(path.Clean(h.Name), h.Linkname); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
	return nil
}

func (u *unpacker) entry(h *tar.Header) error {
	if err := u.tally.add(h.Size); err != nil {
		return err
	}
	name := path.Clean(h.Name)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%w: the name leads outside", serve.ErrInvalid)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return u.file(name, h)
	case tar.TypeSymlink:
		u.links = append(u.links, *h)
		return nil
	default:
		return fmt.Errorf("%w: it is neither a file, a directory nor a link", serve.ErrInvalid)
	}
}

func (u *unpacker) file(name string, h *tar.Header) error {
	if err := u.clear(name); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions(fs.FileMode(h.Mode)))
	if err != nil {
		return err
	}
	return errors.Join(copyExactly(f, u.archive, h.Size), f.Close())
}

func (u *unpacker) link(name, target string) error {
	if err := u.clear(name); err != nil {
		return err
	}
	if err := u.root.Symlink(target, name); err != nil {
		return err
	}
	err := checkLink(u.root, name, target)
	if err != nil {
		err = errors.Join(err, u.root.Remove(name))
	}
	return err
}

// clear makes the directories above an entry and takes away what is there under
// its name, so that an entry replaces a link and is not written through it.
func (u *unpacker) clear(name string) error {
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
