// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/serve-infra/terraform-provider-serve/internal/page"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// page says where a service's controller shows its status page. If it does not, or
// an address is asked for, the page is served here until that is interrupted.
func (p *Program) page(ctx context.Context, args []string) error {
	f := newFlags("page")
	listen := f.String("listen", "", "")
	public := f.Bool("public", false, "")
	names, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	address := cmp.Or(*listen, "127.0.0.1:0")
	private := page.IsLoopback(address)
	if !private && !*public {
		return usageError{fmt.Sprintf("the page has no login, and others may reach %s; --public serves it there all the same", address)}
	}
	find := func(ctx context.Context) (serve.Client, error) {
		client, _, err := p.find(ctx, f.place(), names[0])
		return client, err
	}
	client, err := find(ctx)
	if err != nil {
		return err
	}
	if *listen == "" {
		// What cannot be seen now may be seen later: the page says so itself.
		if s, err := client.Service(ctx); err == nil && s.StatusPage != "" {
			fmt.Fprintf(p.Stdout, "The page of %s is at %s for as long as its controller runs.\n", names[0], s.StatusPage)
			return nil
		}
	}
	handler := p.statusPage(ctx, names[0], find)
	if private {
		handler = page.OnlyLoopback(handler)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for browsers: %w", err)
	}
	fmt.Fprintf(p.Stdout, "The page of %s is at http://%s/ until this is interrupted.\n", names[0], listener.Addr())
	return servePage(ctx, listener, handler)
}
