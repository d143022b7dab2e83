// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// status prints the tables of services and replicas.
func (p *Program) status(ctx context.Context, args []string) error {
	f := newFlags("status")
	follow := f.Bool("watch", false, "")
	asJSON := f.Bool("json", false, "")
	endpoint := f.Bool("endpoint", false, "")
	all := f.Bool("v", false, "")
	names, err := f.parse(args, 0, 1000)
	if err != nil {
		return err
	}
	at := f.place()
	show := func(services []serve.Service) error {
		switch {
		case *asJSON:
			return writeJSON(p.Stdout, services)
		case *endpoint:
			if len(services) != 1 {
				return usageError{"--endpoint needs the name of one service"}
			}
			_, err := fmt.Fprintln(p.Stdout, cmp.Or(services[0].Endpoint, "-"))
			return err
		default:
			return writeTables(p.Stdout, services, time.Now(), *all)
		}
	}
	if *follow {
		return watch(ctx, p, at, names, *asJSON, show)
	}
	services, missing, err := p.services(ctx, at, names)
	if err != nil {
		return err
	}
	if len(missing) == 0 || !*endpoint {
		if err := show(services); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no such service in %s: %s", at, strings.Join(missing, ", "))
	}
	return nil
}

// services asks the controllers of the named services, or of all of them, and
// gives the answers in the order of names. A controller that does not answer
// gives a row that says so.
func (p *Program) services(ctx context.Context, at place, names []string) (found []serve.Service, missing []string, err error) {
	d, err := at.deployer(p.Version)
	if err != nil {
		return nil, nil, err
	}
	wanted := slices.Clone(names)
	if len(names) == 0 {
		if wanted, err = d.List(ctx); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	answers := make([]*serve.Service, len(wanted))
	var waiting sync.WaitGroup
	for i, name := range wanted {
		waiting.Go(func() { answers[i] = ask(ctx, d, name) })
	}
	waiting.Wait()
	for i, name := range wanted {
		switch {
		case answers[i] != nil:
			found = append(found, *answers[i])
		case len(names) > 0:
			missing = append(missing, name)
		}
	}
	return found, missing, nil
}

// ask gives the service as its controller tells it, or as far as that can be
// known without one; nil if there is no such service.
func ask(ctx context.Context, d serve.Deployer, name string) *serve.Service {
	client, err := d.Find(ctx, name)
	var s serve.Service
	if err == nil {
		s, err = client.Service(ctx)
	}
	switch {
	case err == nil:
		return &s
	case errors.Is(err, serve.ErrNotFound):
		return nil
	}
	return &serve.Service{Name: name, Status: serve.ControllerFailed, Message: err.Error()}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
