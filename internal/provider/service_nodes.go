// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// nodesAttribute is kubernetes of a machine: what that cloud alone has a word for.
func nodesAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:   true,
		Attributes: nodesAttributes(),
		MarkdownDescription: "On which nodes of a cluster the machine may be; other clouds pass over it. An alternative that has it takes nothing of the outer one, " +
			"so that `{}` takes all of it off.",
	}
}

func nodesAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"node_selector": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Labels that a node must have. Defaults to none.",
		},
		"tolerations": schema.ListNestedAttribute{
			Optional:            true,
			NestedObject:        schema.NestedAttributeObject{Attributes: tolerationAttributes()},
			MarkdownDescription: "Taints of nodes that do not matter. Defaults to none.",
		},
	}
}

func tolerationAttributes() map[string]schema.Attribute {
	attributes := make(map[string]schema.Attribute)
	for name, text := range map[string]string{
		"key":      "Key of the taint. Defaults to any key, which needs the operator `Exists`.",
		"operator": "How the taint is compared: one of " + words(serve.TolerationOperators()) + ". Defaults to `" + serve.TolerationOperators()[0] + "`.",
		"value":    "Value of the taint; with the operator `Exists` any value will do.",
		"effect":   "What the taint does: one of " + words(serve.TaintEffects()) + ". Defaults to all of them.",
	} {
		attributes[name] = schema.StringAttribute{Optional: true, MarkdownDescription: text}
	}
	return attributes
}

// nodes gives what kubernetes of a machine asks for, nil when it is left out.
func nodes(ctx context.Context, o types.Object, diags *diag.Diagnostics) *serve.KubernetesOptions {
	m, ok := decode[nodesModel](ctx, o, diags)
	if !ok {
		return nil
	}
	k := &serve.KubernetesOptions{NodeSelector: stringMap(ctx, m.NodeSelector, diags)}
	if !known(m.Tolerations) {
		return k
	}
	var entries []types.Object
	diags.Append(m.Tolerations.ElementsAs(ctx, &entries, false)...)
	for _, e := range entries {
		t, _ := decode[tolerationModel](ctx, e, diags)
		k.Tolerations = append(k.Tolerations, serve.Toleration{
			Key: t.Key.ValueString(), Operator: t.Operator.ValueString(), Value: t.Value.ValueString(), Effect: t.Effect.ValueString(),
		})
	}
	return k
}

// nodesObject is the way back.
func nodesObject(k *serve.KubernetesOptions) types.Object {
	if k == nil {
		return types.ObjectNull(attributeTypes(nodesAttributes()))
	}
	one := types.ObjectType{AttrTypes: attributeTypes(tolerationAttributes())}
	tolerations := types.ListNull(one)
	if len(k.Tolerations) > 0 {
		values := make([]attr.Value, len(k.Tolerations))
		for i, t := range k.Tolerations {
			values[i] = types.ObjectValueMust(one.AttrTypes, map[string]attr.Value{
				"key": text(t.Key), "operator": text(t.Operator), "value": text(t.Value), "effect": text(t.Effect),
			})
		}
		tolerations = types.ListValueMust(one, values)
	}
	return types.ObjectValueMust(attributeTypes(nodesAttributes()), map[string]attr.Value{
		"node_selector": textMap(k.NodeSelector),
		"tolerations":   tolerations,
	})
}
