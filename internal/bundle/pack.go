// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bundle

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Pack writes the bundle of a directory or of one file to w. A link that leads
// out of the directory and anything that is neither file, directory nor link is
// an error that names it, and is [serve.ErrInvalid].
func Pack(w io.Writer, path string) error {
	if err := pack(w, path); err != nil {
		return fmt.Errorf("packing %q: %w", path, err)
	}
	return nil
}

func pack(w io.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	// Stored rather than compressed: how well a compressor does changes from one
	// release of Go to the next, and the digest would change with it, showing a
	// diff to users who have edited nothing.
	zip, err := gzip.NewWriterLevel(w, gzip.NoCompression)
	if err != nil {
		return err
	}
	p := packer{archive: tar.NewWriter(zip)}
	switch {
	case info.IsDir():
		err = p.directory(path)
	case info.Mode().IsRegular():
		err = p.file(onlyFile, info, func() (fs.File, error) { return os.Open(path) })
	default:
		err = unsupported(path, info.Mode())
	}
	if err != nil {
		return err
	}
	return errors.Join(p.archive.Close(), zip.Close())
}

// packer is one bundle being written.
type packer struct {
	archive *tar.Writer
	tally   tally
	ignore  ignore
}

func (p *packer) directory(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	// WalkDir goes through each directory by name, so the order is always the same.
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p.ignore.matches(name, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return p.entry(root, name, d)
	})
}

func (p *packer) entry(root *os.Root, name string, d fs.DirEntry) error {
	info, err := d.Info()
	switch {
	case err != nil:
		return err
	case d.IsDir():
		if err := p.ignore.enter(root, name); err != nil || name == "." {
			return err
		}
		return p.header(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
	case info.Mode().IsRegular():
		return p.file(name, info, func() (fs.File, error) { return root.Open(name) })
	case d.Type() == fs.ModeSymlink:
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		if err := checkLink(root, name, target); err != nil {
			return err
		}
		return p.header(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o755})
	default:
		return unsupported(name, info.Mode())
	}
}

func (p *packer) file(name string, info fs.FileInfo, open func() (fs.File, error)) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	err = p.header(tar.Header{
		Typeflag: tar.TypeReg,
		Name:     name,
		Size:     info.Size(),
		Mode:     int64(permissions(info.Mode())),
	})
	if err == nil {
		err = copyExactly(p.archive, f, info.Size())
	}
	if err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	return nil
}

func (p *packer) header(h tar.Header) error {
	if err := p.tally.add(h.Size); err != nil {
		return err
	}
	return p.archive.WriteHeader(&h)
}

func unsupported(name string, mode fs.FileMode) error {
	return fmt.Errorf("%w: %q is neither a file, a directory nor a link (%v); leave it out with .skyignore",
		serve.ErrInvalid, name, mode.Type())
}
