// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Kubernetes says how a cluster is reached, in the words of the provider of that
// name. The zero value is what kubectl would use.
type Kubernetes struct {
	ConfigPath, ConfigContext    string
	Host                         string
	Insecure                     bool
	ClusterCACertificate, Token  string
	ClientCertificate, ClientKey string
	Exec                         *Exec
	Namespace                    string
}

// Exec is a program that gives credentials for a cluster.
type Exec struct {
	APIVersion, Command string
	Args                []string
	Env                 map[string]string
}

// kubernetesModel is kubernetes in the provider's configuration.
type kubernetesModel struct {
	ConfigPath           types.String `tfsdk:"config_path"`
	ConfigContext        types.String `tfsdk:"config_context"`
	Host                 types.String `tfsdk:"host"`
	Insecure             types.Bool   `tfsdk:"insecure"`
	ClusterCACertificate types.String `tfsdk:"cluster_ca_certificate"`
	Token                types.String `tfsdk:"token"`
	ClientCertificate    types.String `tfsdk:"client_certificate"`
	ClientKey            types.String `tfsdk:"client_key"`
	Exec                 types.Object `tfsdk:"exec"`
	Namespace            types.String `tfsdk:"namespace"`
}

// execModel is exec within it.
type execModel struct {
	APIVersion types.String `tfsdk:"api_version"`
	Command    types.String `tfsdk:"command"`
	Args       types.List   `tfsdk:"args"`
	Env        types.Map    `tfsdk:"env"`
}

func kubernetesAttribute() schema.SingleNestedAttribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: what}
	}
	secret := func(what string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: what}
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How the Kubernetes cluster is reached that controllers with `infra = \"kubernetes\"` run in. Without it that is as for `kubectl`: " +
			"by `$KUBECONFIG`, `~/.kube/config`, or within a cluster the credentials of the pod. It may depend on a cluster that is made in the same run. " +
			"Controllers on `local` that have replicas in a cluster reach it as `kubectl` does, whatever stands here.",
		Attributes: map[string]schema.Attribute{
			"config_path":            text("File to read in place of `$KUBECONFIG`. It may begin with `~/`."),
			"config_context":         text("Context in that file. Defaults to its current one."),
			"host":                   text("URL of the API server. With it no file is read."),
			"insecure":               schema.BoolAttribute{Optional: true, MarkdownDescription: "Whether any certificate of the API server is trusted. Defaults to `false`."},
			"cluster_ca_certificate": text("Certificate of the API server's authority, in PEM. Defaults to the authorities the system trusts."),
			"token":                  secret("Bearer token."),
			"client_certificate":     text("Certificate of the client, in PEM. It goes with `client_key`."),
			"client_key":             secret("Private key of the client, in PEM."),
			"namespace":              text("Namespace of controllers that name none. Defaults to that of the context, and without that to `default`."),
			"exec": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Program that gives credentials, as cloud vendors have them.",
				Attributes: map[string]schema.Attribute{
					"api_version": schema.StringAttribute{Required: true, MarkdownDescription: "Version of what it gives: `client.authentication.k8s.io/v1`."},
					"command":     schema.StringAttribute{Required: true, MarkdownDescription: "Name or path of the program."},
					"args":        schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Its arguments."},
					"env":         schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Variables added to its environment."},
				},
			},
		},
	}
}

// fullyKnown reports whether a value and all that is in it is known.
func fullyKnown(v attr.Value) bool {
	if v == nil {
		return true
	}
	raw, err := v.ToTerraformValue(context.Background())
	return err == nil && raw.IsFullyKnown()
}

// kubernetesOf gives the configuration, of which all is known.
func kubernetesOf(o types.Object) Kubernetes {
	ctx := context.Background()
	var ignored diag.Diagnostics // what Terraform has accepted can be read
	m, ok := decode[kubernetesModel](ctx, o, &ignored)
	if !ok {
		return Kubernetes{}
	}
	k := Kubernetes{
		ConfigPath: m.ConfigPath.ValueString(), ConfigContext: m.ConfigContext.ValueString(),
		Host: m.Host.ValueString(), Insecure: m.Insecure.ValueBool(),
		ClusterCACertificate: m.ClusterCACertificate.ValueString(), Token: m.Token.ValueString(),
		ClientCertificate: m.ClientCertificate.ValueString(), ClientKey: m.ClientKey.ValueString(),
		Namespace: m.Namespace.ValueString(),
	}
	if e, ok := decode[execModel](ctx, m.Exec, &ignored); ok {
		k.Exec = &Exec{APIVersion: e.APIVersion.ValueString(), Command: e.Command.ValueString(), Env: maps.Clone(stringMap(ctx, e.Env, &ignored))}
		ignored.Append(e.Args.ElementsAs(ctx, &k.Exec.Args, false)...)
	}
	return k
}

// validateKubernetes says what cannot be meant. What is not known yet may be there.
func validateKubernetes(ctx context.Context, o types.Object) diag.Diagnostics {
	var diags diag.Diagnostics
	m, ok := decode[kubernetesModel](ctx, o, &diags)
	if !ok {
		return diags
	}
	at := path.Root("kubernetes")
	refuse := func(bad bool, name, why string) {
		if bad {
			diags.AddAttributeError(at.AtName(name), "Invalid "+at.AtName(name).String(), why)
		}
	}
	refuse(known(m.ClientCertificate) && m.ClientKey.IsNull(), "client_certificate", "A certificate is of use with its private key only; set client_key, too.")
	refuse(known(m.ClientKey) && m.ClientCertificate.IsNull(), "client_key", "A private key is of use with its certificate only; set client_certificate, too.")
	refuse(known(m.Token) && known(m.Exec), "exec", "Either there is a token or a program that gives one.")
	refuse(known(m.ClientCertificate) && known(m.Exec), "exec", "Either there is a certificate or a program that gives credentials.")
	if problem := namespaceProblem(m.Namespace.ValueString()); known(m.Namespace) && m.Namespace.ValueString() != "" {
		refuse(problem != "", "namespace", problem)
	}
	refuse(known(m.Host) && known(m.ConfigPath), "config_path", "With host no file is read; leave one of them out.")
	refuse(known(m.Host) && known(m.ConfigContext), "config_context", "With host no file is read that has a context; leave one of them out.")
	refuse(m.Insecure.ValueBool() && known(m.ClusterCACertificate), "insecure", "Either the authority is given or any certificate is trusted.")
	return diags
}
