// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"errors"
	"fmt"
	"sync"
)

// Each does something in several places at once, and gives all that went wrong.
func Each(places []string, do func(place string) error) error {
	errs := make([]error, len(places))
	var all sync.WaitGroup
	for i, place := range places {
		all.Go(func() {
			if err := do(place); err != nil {
				errs[i] = fmt.Errorf("%s: %w", place, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
