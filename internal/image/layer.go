// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newLayer gives the one layer of an image.
func newLayer(program []byte) (v1.Layer, error) {
	var archive bytes.Buffer
	if err := writeArchive(&archive, program); err != nil {
		return nil, fmt.Errorf("packing the program: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open,
		tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.DefaultCompression),
		// Compressing is most of the work, and is otherwise done at every reading.
		tarball.WithCompressedCaching,
	)
}

// writeArchive writes the files of the image. Owner, mode and time are the same
// whoever builds it: root owns the program, so that the user it runs as cannot
// change it.
func writeArchive(w io.Writer, program []byte) error {
	archive := tar.NewWriter(w)
	for _, entry := range []struct {
		tar.Header
		content []byte
	}{
		{tar.Header{Name: strings.TrimPrefix(Path, "/"), Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))}, program},
		// Programs count on a place for what need not last, ours too.
		{tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil},
	} {
		entry.Format, entry.ModTime = tar.FormatUSTAR, time.Unix(0, 0)
		if err := archive.WriteHeader(&entry.Header); err != nil {
			return err
		}
		if _, err := archive.Write(entry.content); err != nil {
			return err
		}
	}
	return archive.Close()
}
