// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
)

// digestContent computes the digests of everything local that the model names by
// path, so that an edited file is a diff. What belongs to a path that is not
// known is unknown.
func (m *serviceModel) digestContent(ctx context.Context) diag.Diagnostics {
	var diags diag.Diagnostics
	m.digestWorkdir(&diags)
	m.digestMounts(ctx, &diags)
	m.digestTLS(ctx, &diags)
	return diags
}

func (m *serviceModel) digestWorkdir(diags *diag.Diagnostics) {
	m.WorkdirDigest = digestOf(m.Workdir, path.Root("workdir"), diags)
	if !known(m.Workdir) {
		return
	}
	if info, err := os.Stat(m.Workdir.ValueString()); err == nil && !info.IsDir() {
		invalid(diags, path.Root("workdir"),
			fmt.Sprintf("%q is a file; a single file is put on replicas by file_mounts.", m.Workdir.ValueString()))
	}
}

func (m *serviceModel) digestMounts(ctx context.Context, diags *diag.Diagnostics) {
	m.FileMountsDigests = types.MapNull(types.StringType)
	if m.FileMounts.IsUnknown() {
		m.FileMountsDigests = types.MapUnknown(types.StringType)
	}
	if !known(m.FileMounts) || len(m.FileMounts.Elements()) == 0 {
		return
	}
	var sources map[string]types.String
	diags.Append(m.FileMounts.ElementsAs(ctx, &sources, false)...)
	digests := make(map[string]attr.Value, len(sources))
	for target, source := range sources {
		digests[target] = digestOf(source, path.Root("file_mounts").AtMapKey(target), diags)
	}
	m.FileMountsDigests = types.MapValueMust(types.StringType, digests)
}

// digestOf digests the file or directory at a path, which is the value of the
// attribute at.
func digestOf(source types.String, at path.Path, diags *diag.Diagnostics) types.String {
	if source.IsUnknown() {
		return types.StringUnknown()
	}
	if source.IsNull() {
		return types.StringNull()
	}
	digest, err := bundle.Digest(source.ValueString())
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(source.ValueString(), "://"):
		invalid(diags, at,
			fmt.Sprintf("%q is no local path. Buckets and URLs are not supported: fetch the files in setup.", source.ValueString()))
	case errors.Is(err, fs.ErrNotExist):
		invalid(diags, at,
			fmt.Sprintf("%q does not exist. A relative path begins where Terraform runs; write \"${path.module}/…\" for one that begins at the module.", source.ValueString()))
	case err != nil:
		diags.AddAttributeError(at, "Reading a path failed", err.Error())
	default:
		return types.StringValue(digest)
	}
	return types.StringUnknown()
}
