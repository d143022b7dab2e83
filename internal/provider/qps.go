// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// qps reads target_qps_per_replica, which is a number or a map of numbers and
// so of a type that Terraform cannot check for us. Nil means that there is none,
// or that it is not known.
func (m policyModel) qps(diags *diag.Diagnostics) *serve.QPS {
	at := path.Root("replica_policy").AtName("target_qps_per_replica")
	v := m.TargetQPSPerReplica
	if !known(v) || v.IsUnderlyingValueNull() || v.IsUnderlyingValueUnknown() {
		return nil
	}
	var elements map[string]attr.Value
	switch value := v.UnderlyingValue().(type) {
	case types.Number:
		return &serve.QPS{Each: toFloat(value)}
	case types.Object:
		elements = value.Attributes()
	case types.Map:
		elements = value.Elements()
	default:
		invalid(diags, at, "It must be a number, or a map of numbers with the names of accelerators as keys; this is neither.")
		return nil
	}
	q := &serve.QPS{PerAccelerator: make(map[string]float64, len(elements))}
	for name, e := range elements {
		if dynamic, ok := e.(types.Dynamic); ok {
			e = dynamic.UnderlyingValue()
		}
		number, ok := e.(types.Number)
		switch {
		case ok && number.IsUnknown():
			return nil
		case !ok || number.IsNull():
			invalid(diags, at, "The target for "+strconv.Quote(name)+" must be a number.")
			return nil
		}
		q.PerAccelerator[name] = toFloat(number)
	}
	return q
}

// dynamicQPS is the way back: a number, or an object, which is what braces make
// in a configuration.
func dynamicQPS(q *serve.QPS) types.Dynamic {
	switch {
	case q == nil:
		return types.DynamicNull()
	case q.PerAccelerator == nil:
		return types.DynamicValue(types.NumberValue(decimal(q.Each)))
	}
	kinds := make(map[string]attr.Type, len(q.PerAccelerator))
	values := make(map[string]attr.Value, len(q.PerAccelerator))
	for name, each := range q.PerAccelerator {
		kinds[name], values[name] = types.NumberType, types.NumberValue(decimal(each))
	}
	return types.DynamicValue(types.ObjectValueMust(kinds, values))
}
