// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// heartbeat is the pause between two empty frames of a stream.
	heartbeat = 15 * time.Second
	// silence is for how long a controller may be silent, or take nothing of what
	// it is sent, before it is taken for dead: three heartbeats.
	silence = 45 * time.Second
	// pause is for how long a client may take nothing of a stream. It is longer,
	// as a client may merely have a pager at its end, and somebody reading there.
	// One that is dead is found out by the heartbeats it does not acknowledge.
	pause = 10 * time.Minute

	// maxSpec bounds a spec. Scripts and certificates are all that is long in one.
	maxSpec = 8 << 20
	// maxBundle bounds a bundle, which itself bounds what it unpacks to.
	maxBundle = 17 << 30
	// maxFailure is as much of a failed answer as is read.
	maxFailure = 1 << 20
)

// applyRequest is the body of PUT /v1/service.
type applyRequest struct {
	Spec serve.Spec `json:"spec"`
	serve.ApplyOptions
}

// frame is one line of a stream. It holds one thing, or nothing: then it is a
// heartbeat.
type frame struct {
	Service *serve.Service `json:"service,omitempty"`
	Event   *serve.Event   `json:"event,omitempty"`
	// Data is a part of a log.
	Data []byte `json:"data,omitempty"`
	// End and Error are the last frame of a stream that is complete, or is not.
	End   bool     `json:"end,omitempty"`
	Error *failure `json:"error,omitempty"`
}
