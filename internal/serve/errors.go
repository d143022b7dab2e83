// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"errors"
	"fmt"
	"strings"
)

// The meanings an error can have. Implementations wrap one of these with what
// happened; callers test with [errors.Is].
var (
	// ErrNotFound means that the thing asked for does not exist, for certain. It
	// is never used for something that merely could not be reached.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the stored state has moved on, or that another owner
	// holds it; load again before trying again.
	ErrConflict = errors.New("conflict")
	// ErrUnauthorized means that the credentials are missing, wrong or not enough.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnreachable means that nothing is known: the other side did not answer.
	ErrUnreachable = errors.New("unreachable")
	// ErrCapacity means that the offer exists but nothing is left of it now.
	// Another offer, or the same one later, may do.
	ErrCapacity = errors.New("no capacity")
	// ErrQuota means that the account may not have more of this. Waiting alone
	// does not help in this region; another region may.
	ErrQuota = errors.New("quota exceeded")
	// ErrInvalid means that the request can never succeed as it stands.
	ErrInvalid = errors.New("invalid")
)

// FieldError is one thing wrong with a spec, and where.
type FieldError struct {
	// Path names the attribute as users write it:
	// "replica_policy.max_replicas", "resources.any_of[1].use_spot" or
	// `envs["PORT"]`.
	Path string `json:"path"`
	// Related lists the other attributes the broken rule looked at, each with all
	// that is below it. A caller that does not know one of them, or the one at
	// Path, yet must not report the error.
	Related []string `json:"related,omitempty"`
	// Message says what is wrong and what would be right, as a sentence.
	Message string `json:"message"`
}

// Error gives the path and the message.
func (e FieldError) Error() string { return e.Path + ": " + e.Message }

// FieldErrors is everything wrong with a spec. It is [ErrInvalid].
type FieldErrors []FieldError

// Error gives one line for each problem.
func (es FieldErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Is makes errors.Is(err, ErrInvalid) true.
func (es FieldErrors) Is(target error) bool { return target == ErrInvalid }

// Err gives es as an error, nil when there is nothing wrong.
func (es FieldErrors) Err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// add appends a formatted problem.
func (es *FieldErrors) add(path string, related []string, format string, args ...any) {
	*es = append(*es, FieldError{Path: path, Related: related, Message: fmt.Sprintf(format, args...)})
}
