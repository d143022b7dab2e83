// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

const (
	// clearPatience is how long a failed launch may take to clear away after itself.
	clearPatience = 5 * time.Minute
	// doubt is how often the vendor is asked whether a machine that is not furnished
	// yet is there at all.
	doubt = 20 * time.Second
	// youth is for how long a machine may show the key it was born with.
	youth = 20 * time.Minute
	// lease is for how long a machine stays when it hears from no controller.
	lease = time.Hour
)

// Up is a machine that runs and can be reached.
type Up struct {
	serve.Instance
	// Architecture is in Go's words.
	Architecture string
}

// Launching is the launch of one replica under way, as its vendor carries it out.
type Launching interface {
	// Make finds the machine of the replica, or has it made, and gives it when it runs
	// and can be reached. It may be called again after a crash, and never makes two.
	Make(ctx context.Context) (Up, error)
	// Fallen gives why the machine that Make has given has ended; nil while it is
	// there, and while nobody can tell.
	Fallen(ctx context.Context) error
	// Clear takes away whatever Make has made, or may have made, when it has failed or
	// the machine could not be furnished.
	Clear(ctx context.Context) error
}

// Launch has the machine of req.Ref made and returns when its program is being
// started. A machine that is there is taken up where its launch was broken off. When
// Launch fails it leaves nothing behind.
func (f *Fleet) Launch(ctx context.Context, req serve.LaunchRequest, l Launching) (serve.Instance, error) {
	ctx, leave, err := f.working.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	defer leave()
	i, err := f.launch(ctx, req, l)
	if err != nil {
		if over := context.Cause(ctx); over != nil && IsOver(err) {
			err = over
		}
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearPatience)
		defer cancel()
		defer f.end(req.Ref)()
		f.forget(req.Ref)
		err = errors.Join(err, l.Clear(patient))
		return serve.Instance{}, fmt.Errorf("launching replica %d: %w", req.Ref.Replica, err)
	}
	return i, nil
}

func (f *Fleet) launch(ctx context.Context, req serve.LaunchRequest, l Launching) (serve.Instance, error) {
	if f.o.Program == nil || f.o.Secret == nil {
		return serve.Instance{}, fmt.Errorf("%w: nothing is launched from here", serve.ErrInvalid)
	}
	up, err := l.Make(ctx)
	if err != nil {
		return serve.Instance{}, err
	}
	if err := f.furnish(ctx, req, up, l.Fallen); err != nil {
		return serve.Instance{}, err
	}
	f.remember(up.Instance)
	return up.Instance, nil
}

// furnish has a machine run what is to be run, for as long as it is there.
func (f *Fleet) furnish(ctx context.Context, req serve.LaunchRequest, up Up, fallen func(context.Context) error) error {
	program, err := f.o.Program(up.Architecture)
	if err != nil {
		return err
	}
	defer program.Close()
	machine, err := f.connect(up.Ref, up.Address, time.Since(up.LaunchedAt) < youth)
	if err != nil {
		return err
	}
	defer machine.Close()
	there, over := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		// While it cannot be told the machine is taken to be there.
		for turns.Sleep(there, doubt) {
			if err := fallen(there); err != nil {
				over(err)
			}
		}
	})
	err = machine.Furnish(there, agent.Supplies{Order: agent.NewOrder(req, lease), Program: program, Bundle: req.Bundle})
	fell := context.Cause(there)
	over(nil)
	watching.Wait()
	switch {
	case err == nil:
		return nil
	case fell != nil:
		return fell
	}
	return fmt.Errorf("furnishing machine %s: %w", up.ID, err)
}

// IsOver reports whether an error is that of a context.
func IsOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
