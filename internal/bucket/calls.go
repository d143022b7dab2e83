// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Calls are those of one bucket, and what becomes of them.
type Calls struct {
	// Where is the bucket's URL, such as "s3://serve-web".
	Where string
	// Meaning gives what an error of the store's means, and Lost, if it is there, whether
	// it is that the store is in trouble and has not said what became of the call.
	Meaning func(error) error
	Lost    func(error) bool
}

// Do does something about an object within [Patience], and says what went wrong.
func (c Calls) Do(ctx context.Context, doing, key string, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return c.Failed(ctx, doing, key, do(bounded))
}

// Failed says what went wrong with an object. A store that does not answer is told
// from a caller that has stopped waiting for it.
func (c Calls) Failed(ctx context.Context, doing, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil || c.Lost != nil && c.Lost(err) {
		err = fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
	return fmt.Errorf("%s %s/%s: %w", doing, c.Where, key, c.Meaning(err))
}
