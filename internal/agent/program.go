// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// Program is the agent's program for one platform, ready to be sent to machines.
// It is safe for concurrent use.
type Program struct {
	path   string
	digest string
	mu     sync.Mutex
	// users is how many have it open.
	users int
	// packed is the program as it is sent, made once it is needed: a file without a
	// name, as it is a third of a hundred megabytes.
	packed *os.File
	size   int64
}

// OpenProgram reads the program at path, which is not to be changed from then on.
func OpenProgram(path string) (*Program, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the agent's program: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, fmt.Errorf("reading the agent's program: %w", err)
	}
	return &Program{path: path, digest: digestOf(sum), users: 1}, nil
}

func digestOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// share opens it once more, unless all have closed it.
func (p *Program) share() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 {
		return false
	}
	p.users++
	return true
}

// Digest gives "sha256:<hex>" of the program, which the user data has to say.
func (p *Program) Digest() string { return p.digest }

// Close lets go of the program, which is to be done once for each time that it was
// opened.
func (p *Program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users > 0 || p.packed == nil {
		return nil
	}
	err := p.packed.Close()
	p.packed = nil
	return err
}

// Compressed gives the program as it is sent: in the form of gzip. It is there until
// Close.
func (p *Program) Compressed() (*io.SectionReader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.packed == nil {
		if err := p.pack(); err != nil {
			return nil, fmt.Errorf("compressing the agent's program: %w", err)
		}
	}
	return io.NewSectionReader(p.packed, 0, p.size), nil
}

func (p *Program) pack() error {
	from, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp("", "serve-agent-*")
	if err != nil {
		return err
	}
	err = os.Remove(to.Name())
	sum := sha256.New()
	if err == nil {
		p.size, err = squeeze(to, io.TeeReader(from, sum))
	}
	if err == nil && digestOf(sum) != p.digest {
		err = errors.New("it has been replaced meanwhile")
	}
	if err != nil {
		return errors.Join(err, to.Close())
	}
	p.packed = to
	return nil
}

// squeeze compresses a file, quickly rather than well, and gives its new size.
func squeeze(to *os.File, from io.Reader) (int64, error) {
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(zip, from)
	if err := errors.Join(err, zip.Close()); err != nil {
		return 0, err
	}
	return to.Seek(0, io.SeekCurrent)
}
