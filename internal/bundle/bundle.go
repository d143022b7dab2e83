// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package bundle turns a working directory, or one file, into a bundle and
// back.
//
// A bundle is a gzipped tar archive whose bytes follow from what was packed and
// from nothing else: entries are sorted, times and owners are left out, and of
// the permissions only "may be executed" is kept. So the digest of a bundle,
// "sha256:<hex>", names its content: it stands in a spec for the directory, an
// edited file shows as another digest, and whoever receives a bundle can tell
// that it is the one asked for.
//
// [Pack] writes a bundle, [Digest] only names it, and [Unpack] makes a path
// again what the packed path was. [Dir] keeps bundles by their digests.
//
// # What is left out
//
// .git is left out wherever it is. Beyond that a .skyignore file at the top of
// the directory says what is left out; without one every .gitignore file does,
// for the directory it is in and below. Both have the syntax of .gitignore.
// Ignore files above the packed directory, and those git keeps for one user,
// have no say, so that the same directory gives the same bundle everywhere.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What a bundle may hold at most. Both ends refuse more, the packing one first,
// where the user is there to be told.
const (
	// MaxEntries bounds the number of files, directories and links.
	MaxEntries = 200_000
	// MaxBytes bounds the sum of the sizes of all files.
	MaxBytes = 16 << 30
)

// onlyFile is the name of the one entry of a bundle of one file: the file is
// what the bundle is unpacked to, not something in it.
const onlyFile = "."

// Digest gives the digest of what [Pack] writes for the path.
func Digest(path string) (string, error) {
	hash := sha256.New()
	if err := Pack(hash, path); err != nil {
		return "", err
	}
	return digestPrefix + hex.EncodeToString(hash.Sum(nil)), nil
}

const digestPrefix = "sha256:"

// parseDigest gives the hexadecimal part of a digest. It has no other
// characters, so it is safe as a file name.
func parseDigest(digest string) (string, error) {
	sum, ok := strings.CutPrefix(digest, digestPrefix)
	if !ok || len(sum) != hex.EncodedLen(sha256.Size) || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %q is not a digest of the form sha256:<64 hexadecimal digits>", serve.ErrInvalid, digest)
	}
	return sum, nil
}

// tally counts what a bundle holds against its bounds.
type tally struct {
	entries int
	bytes   int64
}

func (t *tally) add(size int64) error {
	t.entries++
	// Compared this way round the sum cannot overflow.
	if size > MaxBytes-t.bytes {
		return fmt.Errorf("%w: the files are larger than %d GiB together", serve.ErrInvalid, MaxBytes>>30)
	}
	t.bytes += size
	if t.entries > MaxEntries {
		return fmt.Errorf("%w: there are more than %d entries", serve.ErrInvalid, MaxEntries)
	}
	return nil
}

// checkLink refuses the symbolic link at name when following it leads, or may
// lead, out of root. Reading its target as text is not enough, for a target can
// climb out through another link; following it is not either, for a part of the
// way may not exist yet.
func checkLink(root *os.Root, name, target string) error {
	if path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return fmt.Errorf("%w: link %q leads outside, to %q", serve.ErrInvalid, name, target)
	}
	if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: link %q to %q cannot be followed: %w", serve.ErrInvalid, name, target, err)
	}
	return nil
}

// permissions reduces a mode to what a bundle keeps of it.
func permissions(mode fs.FileMode) fs.FileMode {
	if mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// copyExactly copies all of src, which is to be size bytes long.
func copyExactly(dst io.Writer, src io.Reader, size int64) error {
	n, err := io.Copy(dst, src)
	if err == nil && n != size {
		err = fmt.Errorf("it is %d bytes long and not %d: it changed meanwhile", n, size)
	}
	return err
}
