// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func replicaID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usageError{fmt.Sprintf("%q is not the id of a replica", text)}
	}
	return id, nil
}

// events prints the history of a service.
func (p *Program) events(ctx context.Context, args []string) error {
	f := newFlags("events")
	follow := f.Bool("follow", false, "")
	asJSON := f.Bool("json", false, "")
	names, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	client, _, err := p.find(ctx, f.place(), names[0])
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(p.Stdout)
	var failed error
	err = client.Events(ctx, 0, *follow, func(e serve.Event) bool {
		if *asJSON {
			failed = encoder.Encode(e)
		} else {
			failed = writeEvent(p.Stdout, e)
		}
		return failed == nil
	})
	return errors.Join(followed(ctx, *follow, err), failed)
}

// writeEvent prints one event: when, what, and for a decision what else was
// considered.
func writeEvent(w io.Writer, e serve.Event) error {
	_, err := fmt.Fprintf(w, "%s  %-8s  %s\n", e.At.Local().Format(time.StampMilli), e.Kind, e.Message)
	if e.Decision != nil {
		for _, r := range e.Decision.Rejected {
			_, err = fmt.Fprintf(w, "%-31s  not %s: %s\n", "", r.What, r.Why)
		}
	}
	return err
}

// terminate drains and ends one replica.
func (p *Program) terminate(ctx context.Context, args []string) error {
	f := newFlags("terminate")
	purge := f.Bool("purge", false, "")
	names, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	id, err := replicaID(names[1])
	if err != nil {
		return err
	}
	client, _, err := p.find(ctx, f.place(), names[0])
	if err != nil {
		return err
	}
	return client.TerminateReplica(ctx, id, *purge)
}

// down ends a service and its controller, without Terraform knowing.
func (p *Program) down(ctx context.Context, args []string) error {
	f := newFlags("down")
	names, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	client, deployer, err := p.find(ctx, f.place(), names[0])
	switch {
	case err == nil:
		err = client.Delete(ctx)
		if err == nil {
			err = client.Watch(ctx, func(serve.Service) bool { return true })
		}
		if err != nil && !errors.Is(err, serve.ErrNotFound) && !errors.Is(err, serve.ErrUnreachable) {
			return err
		}
	case !errors.Is(err, serve.ErrUnreachable) && !errors.Is(err, serve.ErrNotFound):
		return err
	}
	swept, err := deployer.Destroy(ctx, names[0])
	for _, instance := range swept {
		fmt.Fprintf(p.Stdout, "ended machine %s of replica %d\n", instance.ID, instance.Ref.Replica)
	}
	return err
}
