// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
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

// digestTLS reads the certificate, if it is there already: it may be made by
// something else in the same run.
func (m *serviceModel) digestTLS(ctx context.Context, diags *diag.Diagnostics) {
	if m.TLS.IsNull() {
		m.TLSDigest = types.StringNull()
		return
	}
	m.TLSDigest = types.StringUnknown()
	t, _ := decode[tlsModel](ctx, m.TLS, diags)
	if !known(t.KeyFile) || !known(t.CertFile) {
		return
	}
	content, errs, err := readTLS(t)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if len(errs) > 0 {
		diags.Append(errs...)
		return
	}
	// Only the rules about TLS are asked: the rest of the spec is checked as a
	// configuration.
	for _, e := range (serve.Spec{TLS: content}).Validate() {
		if p := parsePlace(e.Path); p[0] == "tls" {
			invalid(diags, p.attribute(), e.Message)
		}
	}
	m.TLSDigest = tlsDigest(content)
}

// readTLS reads both files. The error is the first of those in the diagnostics.
func readTLS(t tlsModel) (*serve.TLS, diag.Diagnostics, error) {
	var diags diag.Diagnostics
	var first error
	read := func(file types.String, name string) string {
		data, err := os.ReadFile(file.ValueString())
		if err != nil {
			diags.AddAttributeError(path.Root("tls"), "Reading the "+name+" failed", err.Error())
			if first == nil {
				first = err
			}
		}
		return string(data)
	}
	content := &serve.TLS{Certificate: read(t.CertFile, "certfile"), Key: read(t.KeyFile, "keyfile")}
	return content, diags, first
}

// tlsDigest names a certificate.
func tlsDigest(t *serve.TLS) types.String {
	if t == nil {
		return types.StringNull()
	}
	sum := sha256.Sum256([]byte(t.Certificate))
	return types.StringValue("sha256:" + hex.EncodeToString(sum[:]))
}
