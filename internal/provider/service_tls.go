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
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// issues reports whether certificates are to be issued, and none is given.
func (t tlsModel) issues() bool { return !t.ACME.IsNull() && t.KeyFile.IsNull() && t.CertFile.IsNull() }

// issued gives what the model says of certificates that are issued, nil where one is
// given or there is to be none. What is not complete, or contradicts itself, shows in
// it: there the names of files stand for their content.
func (m serviceModel) issued(ctx context.Context, diags *diag.Diagnostics) *serve.TLS {
	t, ok := decode[tlsModel](ctx, m.TLS, diags)
	if !ok || t.ACME.IsNull() && !t.KeyFile.IsNull() && !t.CertFile.IsNull() {
		return nil
	}
	s := &serve.TLS{Certificate: t.CertFile.ValueString(), Key: t.KeyFile.ValueString()}
	if a, ok := decode[acmeModel](ctx, t.ACME, diags); ok {
		s.ACME = &serve.ACME{
			Domains: texts(ctx, a.Domains, diags), AgreeToTerms: a.AgreeToTerms.ValueBool(),
			Email: a.Email.ValueString(), DirectoryURL: a.DirectoryURL.ValueString(),
		}
	}
	return s
}

// refreshTLS takes over how certificates are issued. Those that are given are in files
// of the user's, and known by their digest only.
func (m *serviceModel) refreshTLS(have, now *serve.TLS, differ func(have, want any) bool) {
	var issued *serve.TLS
	if now != nil && now.ACME != nil {
		issued = now
	}
	if differ(have, issued) && (have != nil || issued != nil) {
		m.TLS = types.ObjectNull(attributeTypes(tlsAttributes()))
		if issued != nil {
			m.TLS = issuedObject(*issued.ACME)
		}
	}
	m.TLSDigest = tlsDigest(now)
}

// issuedObject is tls with acme.
func issuedObject(a serve.ACME) types.Object {
	return types.ObjectValueMust(attributeTypes(tlsAttributes()), map[string]attr.Value{
		"keyfile":  types.StringNull(),
		"certfile": types.StringNull(),
		"acme": types.ObjectValueMust(attributeTypes(acmeAttributes()), map[string]attr.Value{
			"domains":        textList(a.Domains),
			"agree_to_terms": types.BoolValue(a.AgreeToTerms),
			"email":          text(a.Email),
			"directory_url":  text(a.DirectoryURL),
		}),
	})
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
	if t.issues() {
		if v, err := m.TLS.ToTerraformValue(ctx); err == nil && v.IsFullyKnown() {
			m.TLSDigest = tlsDigest(m.issued(ctx, diags))
		}
		return
	}
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

// tlsDigest names a certificate, or the way in which one is issued.
func tlsDigest(t *serve.TLS) types.String {
	if t == nil {
		return types.StringNull()
	}
	content := []byte(t.Certificate)
	if t.ACME != nil {
		content = fmt.Appendf(nil, "%q", []string{
			strings.Join(t.ACME.Domains, " "), t.ACME.Email, t.ACME.DirectoryURL, strconv.FormatBool(t.ACME.AgreeToTerms),
		})
	}
	sum := sha256.Sum256(content)
	return types.StringValue("sha256:" + hex.EncodeToString(sum[:]))
}
