// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// logs prints what one replica, all of them, or the controller has printed.
func (p *Program) logs(ctx context.Context, args []string) error {
	f := newFlags("logs")
	follow := f.Bool("follow", false, "")
	tail := f.Int("tail", 0, "")
	controller := f.Bool("controller", false, "")
	names, err := f.parse(args, 1, 2)
	if err != nil {
		return err
	}
	if *controller && len(names) == 2 {
		return usageError{"it takes the id of a replica or --controller, not both"}
	}
	var id int64
	if len(names) == 2 {
		if id, err = replicaID(names[1]); err != nil {
			return err
		}
	}
	client, _, err := p.find(ctx, f.place(), names[0])
	if err != nil {
		return err
	}
	opt := serve.LogOptions{Follow: *follow, Tail: *tail}
	if len(names) == 1 && !*controller {
		all := &allLogs{client: client, opt: opt, out: p.Stdout, seen: map[int64]bool{}}
		return followed(ctx, *follow, all.print(ctx))
	}
	log, err := client.Logs(ctx, id, opt)
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = io.Copy(p.Stdout, log)
	return followed(ctx, *follow, err)
}

// allLogs prints the logs of all replicas, each line after the replica's id.
type allLogs struct {
	client serve.Client
	opt    serve.LogOptions
	seen   map[int64]bool

	mu  sync.Mutex
	out io.Writer
}

// print prints the log of one replica after the other, or with Follow all at
// once and those of replicas launched meanwhile too.
func (a *allLogs) print(ctx context.Context) error {
	if !a.opt.Follow {
		service, err := a.client.Service(ctx)
		for _, r := range service.Replicas {
			err = errors.Join(err, a.copy(ctx, r))
		}
		return err
	}
	var copying sync.WaitGroup
	defer copying.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := a.client.Watch(ctx, func(s serve.Service) bool {
		for _, r := range s.Replicas {
			if r.Launch == serve.LaunchSucceeded && !a.seen[r.ID] {
				a.seen[r.ID] = true
				copying.Go(func() {
					// A log that breaks off has been printed as far as it went.
					_ = a.copy(ctx, r)
				})
			}
		}
		return true
	})
	if errors.Is(err, serve.ErrNotFound) {
		// The service has ended, and so do the logs of its machines; the last lines
		// may still be on their way.
		copying.Wait()
		return nil
	}
	return err
}

// copy prints one log. A replica that has no machine yet has none.
func (a *allLogs) copy(ctx context.Context, r serve.Replica) error {
	log, err := a.client.Logs(ctx, r.ID, a.opt)
	if errors.Is(err, serve.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			a.mu.Lock()
			fmt.Fprintf(a.out, "[%d] %s", r.ID, line)
			if err != nil {
				fmt.Fprintln(a.out)
			}
			a.mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
