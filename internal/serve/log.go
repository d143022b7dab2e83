// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// LastBytes gives the last bytes of r, limit at most, from the beginning of a line
// on where there is one.
func LastBytes(r io.Reader, limit int) ([]byte, error) {
	var last []byte
	cut := false
	for piece := make([]byte, limit); ; {
		n, err := io.ReadFull(r, piece)
		last = append(last, piece[:n]...)
		if over := len(last) - limit; over > 0 {
			last, cut = slices.Clone(last[over:]), true
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		}
		if _, rest, found := bytes.Cut(last, []byte("\n")); cut && found && len(rest) > 0 {
			last = rest
		}
		return last, nil
	}
}
