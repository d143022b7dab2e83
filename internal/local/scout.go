// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"fmt"
	"maps"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Scout = (*Deployer)(nil)

// Scout gives the clouds as a controller of the service would have them if it were
// deployed now.
func (d *Deployer) Scout(service string) ([]serve.Cloud, error) {
	clouds, err := d.scout(service)
	if err != nil {
		return nil, fmt.Errorf("asking the clouds for service %q: %w", service, err)
	}
	return clouds, nil
}

func (d *Deployer) scout(service string) ([]serve.Cloud, error) {
	h, err := openHome(d.o.Root)
	if err != nil {
		return nil, err
	}
	notes := map[string]string{}
	shown := func(_ context.Context, cloud string) (string, error) { return d.o.Shown[cloud], nil }
	if checkName(service) == nil {
		shown = d.shownIn(h.controller(service))
		if notes, err = readNotes(h.controller(service)); err != nil {
			return nil, err
		}
	}
	if d.o.Brief != nil {
		wanted, err := d.o.Brief(notes)
		if err != nil {
			return nil, err
		}
		maps.Copy(notes, wanted)
	}
	if d.o.Scouts != nil {
		return d.o.Scouts(notes, shown), nil
	}
	return d.o.Clouds(notes, shown), nil
}
