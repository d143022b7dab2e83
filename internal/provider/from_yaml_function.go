// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

var _ function.Function = fromYAMLFunction{}

// fromYAMLFunction is provider::serve::from_yaml.
type fromYAMLFunction struct{}

// Metadata names the function.
func (fromYAMLFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "from_yaml"
}

// Definition describes the function.
func (fromYAMLFunction) Definition(ctx context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Reads a SkyServe YAML file",
		MarkdownDescription: "Gives an object whose attributes are the arguments of `serve_service` that the file can hold. " +
			"An argument that the file leaves out is null; within one that it has, what is left out has its default. " +
			"Paths are given as they are written: put `${path.module}/` before `workdir` and the values of `file_mounts` if they are relative.",
		Parameters: []function.Parameter{function.StringParameter{
			Name:                "yaml",
			MarkdownDescription: "Content of the file, as by `file(\"service.yaml\")`.",
		}},
		Return: function.ObjectReturn{AttributeTypes: yamlTypes(ctx)},
	}
}

// Run reads the file. Everything that is wrong with it is said at once.
func (fromYAMLFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var content string
	if resp.Error = req.Arguments.Get(ctx, &content); resp.Error != nil {
		return
	}
	s, err := skyserve.Parse([]byte(content))
	if err != nil {
		// Terraform ends the sentence itself.
		resp.Error = function.NewArgumentFuncError(0, strings.TrimSuffix(err.Error(), "."))
		return
	}
	object, diags := types.ObjectValue(yamlTypes(ctx), yamlValues(s))
	if resp.Error = function.FuncErrorFromDiags(ctx, diags); resp.Error != nil {
		return
	}
	resp.Error = resp.Result.Set(ctx, object)
}

// yamlTypes gives the types of the arguments that a file can hold: those of the
// resource itself, so that one fits the other.
func yamlTypes(ctx context.Context) map[string]attr.Type {
	all := attributeTypes(serviceSchema(ctx).Attributes)
	kinds := make(map[string]attr.Type)
	for _, name := range []string{
		"name", "readiness_probe", "replicas", "replica_policy", "resources", "ports", "load_balancing_policy", "load_balancer",
		"tls", "workdir", "file_mounts", "setup", "run", "envs", "secrets_wo",
	} {
		kinds[name] = all[name]
	}
	return kinds
}

// yamlValues gives what the file holds.
func yamlValues(s skyserve.Service) map[string]attr.Value {
	files := attributeTypes(tlsAttributes())
	values := map[string]attr.Value{
		"name":                  text(s.Name),
		"readiness_probe":       types.ObjectNull(attributeTypes(probeAttributes())),
		"replicas":              types.Int64Null(),
		"replica_policy":        types.ObjectNull(attributeTypes(policyAttributes())),
		"resources":             resourcesObject(s.Resources),
		"ports":                 types.Int64Null(),
		"load_balancing_policy": types.StringNull(),
		"load_balancer":         types.ObjectNull(attributeTypes(loadBalancerAttributes())),
		"tls":                   types.ObjectNull(files),
		"workdir":               text(s.WorkdirPath),
		"file_mounts":           textMap(s.MountPaths),
		"setup":                 text(s.Setup),
		"run":                   text(s.Run),
		"envs":                  textMap(s.Envs),
		"secrets_wo":            textMap(s.Secrets),
	}
	for name, value := range map[string]attr.Value{
		"readiness_probe":       probeObject(s.ReadinessProbe),
		"replicas":              integer(s.ReplicaPolicy.MinReplicas),
		"replica_policy":        policyObject(s.ReplicaPolicy),
		"ports":                 integer(s.Ports),
		"load_balancing_policy": types.StringValue(string(s.LoadBalancingPolicy)),
		"load_balancer":         loadBalancerObject(s.LoadBalancer),
	} {
		if s.Has(name) {
			values[name] = value
		}
	}
	if s.TLSFiles != nil {
		values["tls"] = types.ObjectValueMust(files, map[string]attr.Value{
			"keyfile":  types.StringValue(s.TLSFiles.Keyfile),
			"certfile": types.StringValue(s.TLSFiles.Certfile),
			"acme":     types.ObjectNull(attributeTypes(acmeAttributes())),
		})
	}
	return values
}
