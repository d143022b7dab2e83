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
	watch := f.Bool("watch", false, "")
	asJSON := f.Bool("json", false, "")
	endpoint := f.Bool("endpoint", false, "")
	all := f.Bool("v", false, "")
	names, err := f.parse(args, 0, 1000)
	if err != nil {
		return err
	}
	home, err := homeOf(*f.home)
	if err != nil {
		return err
	}
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
	if *watch {
		return p.watch(ctx, home, names, *asJSON, show)
	}
	services, missing, err := p.services(ctx, home, names)
	if err != nil {
		return err
	}
	if err := show(services); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("no such service in %s: %s", home, strings.Join(missing, ", "))
	}
	return nil
}

// services asks the controllers of the named services, or of all of them, and
// gives the answers in the order of names. A controller that does not answer
// gives a row that says so.
func (p *Program) services(ctx context.Context, home string, names []string) (found []serve.Service, missing []string, err error) {
	all, err := deployers(home)
	if err != nil {
		return nil, nil, err
	}
	wanted := slices.Clone(names)
	if len(names) == 0 {
		for _, d := range all {
			there, err := d.List(ctx)
			if err != nil {
				return nil, nil, err
			}
			wanted = append(wanted, there...)
		}
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	answers := make([]*serve.Service, len(wanted))
	var waiting sync.WaitGroup
	for i, name := range wanted {
		waiting.Go(func() { answers[i] = ask(ctx, all, name) })
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
func ask(ctx context.Context, all map[string]serve.Deployer, name string) *serve.Service {
	for _, d := range all {
		client, err := d.Find(ctx, name)
		if err == nil {
			var s serve.Service
			if s, err = client.Service(ctx); err == nil {
				return &s
			}
		}
		if !errors.Is(err, serve.ErrNotFound) {
			return &serve.Service{Name: name, Status: serve.ControllerFailed, Message: err.Error()}
		}
	}
	return nil
}

// clearScreen moves the cursor to the top left corner and clears what is below.
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// watch shows services again after every change, and on a terminal every second
// so that ages move. It ends with the context, or when the only service watched
// is gone.
func (p *Program) watch(ctx context.Context, home string, names []string, asJSON bool, show func([]serve.Service) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel()
	watched := map[string]bool{}
	ended := make(chan string)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	terminal := isTerminal(p.Stdout) && !asJSON
	had := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-ended:
			delete(watched, name)
		case <-changed:
		case <-second.C:
			if !terminal && len(watched) > 0 {
				continue // nothing has changed
			}
		}
		services, _, err := p.services(ctx, home, names)
		if err != nil {
			return err
		}
		if had && len(services) == 0 && len(names) > 0 {
			return nil
		}
		had = had || len(services) > 0
		for _, s := range services {
			if !watched[s.Name] && s.Status != serve.ControllerFailed {
				watched[s.Name] = true
				watchers.Go(func() { p.hear(ctx, home, s.Name, changed, ended) })
			}
		}
		if terminal {
			fmt.Fprint(p.Stdout, clearScreen)
		}
		if err := show(services); err != nil {
			return err
		}
		if !terminal && !asJSON {
			fmt.Fprintln(p.Stdout)
		}
	}
}

// hear tells of every change of one service.
func (p *Program) hear(ctx context.Context, home, name string, changed chan<- struct{}, ended chan<- string) {
	if client, _, err := p.find(ctx, home, name); err == nil {
		// The error says that the controller is gone; the next look will show it.
		_ = client.Watch(ctx, func(serve.Service) bool {
			select {
			case changed <- struct{}{}:
			default:
			}
			return true
		})
	}
	select {
	case ended <- name:
	case <-ctx.Done():
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
