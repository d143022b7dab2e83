// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// sweepPause is how often a cloud is asked whether it knows that all machines are gone.
const sweepPause = time.Second

// Sweep ends the machines of a service until the cloud knows of none, and has a
// [Cleaner] remove what there is besides. It gives the machines that it has ended,
// also when it fails.
func Sweep(ctx context.Context, cloud Cloud, service string) ([]Instance, error) {
	swept := make(map[Ref]Instance)
	for {
		left, err := cloud.List(ctx, service)
		if err != nil {
			return inOrder(swept), err
		}
		if len(left) == 0 {
			if rest, ok := cloud.(Cleaner); ok {
				err = rest.Clean(ctx, service)
			}
			return inOrder(swept), err
		}
		ended := func(i Instance) bool { _, ok := swept[i.Ref]; return ok }
		if !slices.ContainsFunc(left, func(i Instance) bool { return !ended(i) }) {
			select { // a cloud may be late to know what it has done
			case <-time.After(sweepPause):
			case <-ctx.Done():
				return inOrder(swept), ctx.Err()
			}
		}
		var mu sync.Mutex
		var errs []error
		var all sync.WaitGroup
		for _, i := range left {
			all.Go(func() {
				err := cloud.Terminate(ctx, i.Ref)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
				} else {
					swept[i.Ref] = i
				}
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return inOrder(swept), err
		}
	}
}

func inOrder(swept map[Ref]Instance) []Instance {
	var list []Instance
	for _, i := range swept {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Ref.Replica, b.Ref.Replica), cmp.Compare(a.Ref.UID, b.Ref.UID))
	})
	return list
}
