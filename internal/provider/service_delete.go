// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Delete asks the controller to let requests finish and end its machines, and
// then removes the controller and whatever it could not end. A controller that
// does not answer is not waited for.
func (r *serviceResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m serviceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	m.recall(ctx, req.Private, &resp.Diagnostics)
	timeout, diags := m.Timeouts.Delete(ctx, defaultTimeout)
	resp.Diagnostics.Append(diags...)
	d := r.deployer(ctx, m, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx = logContext(ctx, m)
	name := m.Name.ValueString()

	why := drain(ctx, d, name, timeout, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	tflog.Info(ctx, "removing the controller")
	swept, err := d.Destroy(ctx, name)
	if err != nil {
		resp.Diagnostics.AddError("Removing the service failed", fmt.Sprintf(
			"Something of the service %q is still there and may cost money. Destroy it again once the cause is gone.\n\n%s%s", name, listMachines("Ended so far", swept), err))
		return
	}
	if why != "" || len(swept) > 0 {
		resp.Diagnostics.AddWarning("The service did not end by itself", strings.TrimSpace(fmt.Sprintf(
			"%sThe service %q is removed.%s", why, name, listMachines(" These machines were ended without waiting for their requests", swept))))
	}
}

// drain has the controller end the service and waits for it. What it gives is
// empty when the service is gone, and otherwise says why it is not, as a
// sentence. Being interrupted is an error: the rest is for another destroy.
func drain(ctx context.Context, d serve.Deployer, name string, timeout time.Duration, diags *diag.Diagnostics) string {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := drained(waiting, d, name)
	switch {
	case errors.Is(err, serve.ErrNotFound):
		return ""
	case ctx.Err() != nil:
		diags.AddError("Destroying the service was interrupted", fmt.Sprintf("The service %q may be ending. Destroy it again to have it removed.", name))
		return ""
	case waiting.Err() != nil:
		return fmt.Sprintf("It was not at its end after %s. ", timeout)
	case errors.Is(err, serve.ErrUnreachable):
		return fmt.Sprintf("Its controller does not answer (%s). ", err)
	default:
		diags.AddError("Destroying the service failed", fmt.Sprintf("The controller of the service %q did not take the request.\n\n%s", name, err))
		return ""
	}
}

// drained asks the service to end and returns when it has, which is ErrNotFound,
// or when that cannot be told. A connection that
// breaks is nothing yet; a controller that cannot be found any more is.
func drained(ctx context.Context, d serve.Deployer, name string) error {
	for asked := false; ; {
		client, err := d.Find(ctx, name)
		if err != nil {
			return err
		}
		if !asked {
			err = client.Delete(ctx)
			asked = err == nil
		}
		if asked {
			tflog.Info(ctx, "waiting for the service to end")
			err = client.Watch(ctx, func(serve.Service) bool { return true })
		}
		if err != nil && !errors.Is(err, serve.ErrUnreachable) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// listMachines names machines, one a line; no machines are no text.
func listMachines(title string, machines []serve.Instance) string {
	if len(machines) == 0 {
		return ""
	}
	lines := make([]string, len(machines))
	for i, m := range machines {
		lines[i] = fmt.Sprintf("\n  - replica %d: %s in %s", m.Ref.Replica, m.ID, m.Offer.Location)
	}
	return title + ":" + strings.Join(lines, "") + "\n"
}
