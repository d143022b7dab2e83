// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// complete gives the spec with all that is not in the plan: secrets, and the
// content of TLS files. It is checked once more, because some of it is known
// only now.
func (m serviceModel) complete(ctx context.Context) (serve.Spec, diag.Diagnostics) {
	spec, diags := m.spec(ctx)
	spec = m.withSecrets(ctx, spec, &diags)
	if t, ok := decode[tlsModel](ctx, m.TLS, &diags); ok && !t.issues() {
		content, problems, _ := readTLS(t)
		diags.Append(problems...)
		spec.TLS = content
	}
	if !diags.HasError() {
		diags.Append(fieldErrors(spec.Validate())...)
	}
	return spec, diags
}

// send gives the controller the bundles it lacks, and then the spec.
func (m serviceModel) send(ctx context.Context, client serve.Client, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, diag.Diagnostics) {
	diags := m.upload(ctx, client)
	if diags.HasError() {
		return serve.Service{}, diags
	}
	svc, err := client.Apply(ctx, spec, opt)
	var fields serve.FieldErrors
	switch {
	case errors.As(err, &fields):
		diags.Append(fieldErrors(fields)...)
	case opt.MustBeNew && errors.Is(err, serve.ErrConflict):
		diags.AddAttributeError(path.Root("name"), "The service already exists", fmt.Sprintf("Somebody else has created a service %q at the same moment. Nothing of it was changed.\n\n%s", spec.Name, err))
	case err != nil:
		diags.AddError("Applying the service failed", fmt.Sprintf("The controller of the service %q has not accepted what was planned.\n\n%s", spec.Name, err))
	default:
		tflog.Info(ctx, "the controller has accepted the spec", map[string]any{"revision": svc.Revision})
	}
	return svc, diags
}

// upload gives the controller the bundles it lacks.
func (m serviceModel) upload(ctx context.Context, client serve.Client) diag.Diagnostics {
	var diags diag.Diagnostics
	one := func(at path.Path, source, digest string) {
		if err := uploadOne(ctx, client, source, digest); errors.Is(err, serve.ErrInvalid) {
			diags.AddAttributeError(at, "The content has changed", fmt.Sprintf("%q is not any more what it was when the plan was made; plan again.\n\n%s", source, err))
		} else if err != nil {
			diags.AddAttributeError(at, "Uploading this path failed", err.Error())
		}
	}
	if known(m.Workdir) {
		one(path.Root("workdir"), m.Workdir.ValueString(), m.WorkdirDigest.ValueString())
	}
	sources := stringMap(ctx, m.FileMounts, &diags)
	digests := stringMap(ctx, m.FileMountsDigests, &diags)
	for _, target := range slices.Sorted(maps.Keys(sources)) {
		one(path.Root("file_mounts").AtMapKey(target), sources[target], digests[target])
	}
	return diags
}

// uploadOne packs straight into the request, so that no bundle is ever held in
// memory or in a file of its own.
func uploadOne(ctx context.Context, client serve.Client, source, digest string) error {
	has, err := client.HasBundle(ctx, digest)
	if err != nil || has {
		return err
	}
	tflog.Debug(ctx, "uploading a bundle", map[string]any{"source": source, "digest": digest})
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := bundle.Pack(w, source)
		w.CloseWithError(err)
		packed <- err
	}()
	err = client.PutBundle(ctx, digest, r)
	// A client that gave up early leaves the packer writing to nobody.
	r.CloseWithError(io.ErrClosedPipe)
	if packErr := <-packed; packErr != nil && !errors.Is(packErr, io.ErrClosedPipe) {
		return packErr
	}
	return err
}
