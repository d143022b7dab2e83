// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What can be asked of a machine. The program is received by what the user data
// has put there, which answers pathState too; the rest is the agent's.
const (
	pathProgram = "/v1/program"
	pathState   = "/v1/state"
	pathWatch   = "/v1/watch"
	pathOrder   = "/v1/order"
	pathBundles = "/v1/bundles/"
	pathLogs    = "/v1/logs"
)

const (
	// heartbeat is how often something is said in a watch, silence after how long
	// without a word the other end is taken to be dead.
	heartbeat = 2 * time.Second
	silence   = 6 * time.Second
	// patience bounds what takes a moment only: a connection, a short answer.
	patience = 10 * time.Second
	// diskPatience bounds the wait for an answer to what has to be written to disk.
	diskPatience = time.Minute
	// maxOrder bounds an order, maxFailure the text of an error, in bytes.
	maxOrder   = 16 << 20
	maxFailure = 64 << 10
)

// What an agent says first in a tunnel: whether the server has accepted.
const (
	tunnelRefused = 0
	tunnelJoined  = 1
)

// sealedOrder is an order with the key that the machine is to show from then on.
type sealedOrder struct {
	Order Order  `json:"order"`
	Key   []byte `json:"key"` // the seed of the key
	// Stale are the paths in the home directory at which orders before had files. It
	// is the machine's to know, and not sent.
	Stale []string `json:"stale,omitempty"`
}

// missingBundles is the answer to an order that names bundles that are not there.
type missingBundles struct {
	Missing []string `json:"missing"`
}

// statusOf gives the HTTP status by which the meaning of an error travels; its
// text is the body.
func statusOf(err error) int {
	switch {
	case errors.Is(err, serve.ErrInvalid):
		return http.StatusUnprocessableEntity
	case errors.Is(err, serve.ErrConflict):
		return http.StatusConflict
	default:
		return http.StatusInternalServerError
	}
}

// failureOf gives the error that an answer stands for.
func failureOf(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, maxFailure))
	if err != nil {
		return err
	}
	said := strings.TrimSpace(string(text))
	switch res.StatusCode {
	case http.StatusUnprocessableEntity:
		return told{said, serve.ErrInvalid}
	case http.StatusConflict:
		return told{said, serve.ErrConflict}
	default:
		return fmt.Errorf("the machine answered %s: %s", res.Status, said)
	}
}

// told is an error of the other end, whose text names its meaning already.
type told struct {
	text    string
	meaning error
}

func (t told) Error() string { return t.text }

func (t told) Unwrap() error { return t.meaning }
