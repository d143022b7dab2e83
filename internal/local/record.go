// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The files of a machine.
const (
	refFile    = "ref.json"
	lockFile   = "lock"
	stateFile  = "state.json"
	noticeFile = "notice.json"
	endingFile = "ending"
	troubleLog = "machine.log"
	logDir     = "log"
	logFile    = "replica.log"
	workDir    = "work"
	homeDir    = "home"
)

// The prefixes of directories that are not a machine yet, or not any more.
const (
	unborn = ".new-"
	buried = ".gone-"
)

// phaseExited is the phase of a machine whose program has ended. Before that it is
// that of its task.
const phaseExited = "exited"

// state is what a machine says of itself. There is none before its program is
// being started.
type state struct {
	Process process `json:"process"`
	// Revision is that of the program.
	Revision int64 `json:"revision"`
	// Phase is setup or run while that is under way, and then exited.
	Phase string `json:"phase"`
	// Last is which of setup and run has ended, ExitCode how.
	Last     string `json:"last,omitempty"`
	ExitCode int    `json:"exit_code"`
}

// notice is the market's claim on a machine.
type notice struct {
	Deadline time.Time `json:"deadline"`
	Reason   string    `json:"reason"`
}

// record is a machine's directory as it was found.
type record struct {
	dir      string
	instance serve.Instance
	state    state
	notice   notice
	// ending is set once the end of the machine was asked for.
	ending bool
	// locked says that the machine was being made or up.
	locked bool
}

// records reads all machines there are, in the order of their names.
func (h home) records() ([]record, error) {
	entries, err := os.ReadDir(h.replicas())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	var records []record
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		r, err := readRecord(filepath.Join(h.replicas(), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since the listing
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// readRecord reads one machine; fs.ErrNotExist when it is not there.
func readRecord(dir string) (record, error) {
	r := record{dir: dir}
	if err := jsonfile.Read(filepath.Join(dir, refFile), &r.instance); err != nil {
		return record{}, err
	}
	// The lock comes first: what is read after it was free is final.
	var err error
	if r.locked, err = isLocked(filepath.Join(dir, lockFile)); err != nil {
		return record{}, err
	}
	if err := jsonfile.Read(filepath.Join(dir, stateFile), &r.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	if err := jsonfile.Read(filepath.Join(dir, noticeFile), &r.notice); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	r.ending = exists(filepath.Join(dir, endingFile))
	r.instance.Running = r.running()
	if r.state.Revision != 0 {
		r.instance.Revision = r.state.Revision
	}
	return r, nil
}

// running reports whether the machine is up.
func (r record) running() bool { return r.locked && r.state.Phase != "" }

// taken reports whether the market has claimed the machine.
func (r record) taken() bool { return !r.notice.Deadline.IsZero() }

// in reports whether the machine is one of the pool's.
func (r record) in(p Pool) bool {
	return r.instance.Offer.Location == p.Location && r.instance.Offer.Market == p.Market
}
