// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// errInterrupted is why a launch ends that a Terminate does not wait for.
var errInterrupted = errors.New("the replica is being ended")

// Terminate has end take away the machine of a replica, with everything that belongs
// to it, and return when it is gone. End is given what was launched or found here for
// the replica, which need not be listed yet; the zero value if nothing was. Nobody is
// told that the machine has gone.
func (f *Fleet) Terminate(ctx context.Context, ref serve.Ref, end func(ctx context.Context, was serve.Instance) error) error {
	f.working.Interrupt(ref, errInterrupted)
	ctx, leave, err := f.working.Enter(ctx, ref)
	if err == nil {
		defer leave()
		defer f.end(ref)()
		was, _ := f.known(ref)
		f.forget(ref)
		err = end(ctx, was)
	}
	if err != nil {
		return fmt.Errorf("ending the machine of replica %d: %w", ref.Replica, err)
	}
	return nil
}
