// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"errors"
	"fmt"
	"sync"
)

// Each does something in several regions at once, and gives all that went wrong.
func Each(regions []string, do func(region string) error) error {
	errs := make([]error, len(regions))
	var all sync.WaitGroup
	for i, region := range regions {
		all.Go(func() {
			if err := do(region); err != nil {
				errs[i] = fmt.Errorf("%s: %w", region, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
