// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestATargetIsANumberOrANumberForEachAccelerator(t *testing.T) {
	t.Parallel()
	half := types.NumberValue(big.NewFloat(0.5))
	for _, row := range []struct {
		what  string
		value types.Dynamic
		want  *serve.QPS
		fails bool
	}{
		{"nothing", types.DynamicNull(), nil, false},
		{"something unknown", types.DynamicUnknown(), nil, false},
		{"an unknown number", types.DynamicValue(types.NumberUnknown()), nil, false},
		{"no number", types.DynamicValue(types.NumberNull()), nil, false},
		{"a number", types.DynamicValue(half), &serve.QPS{Each: 0.5}, false},
		{"a map", types.DynamicValue(types.MapValueMust(types.NumberType, map[string]attr.Value{"A100": half})),
			&serve.QPS{PerAccelerator: map[string]float64{"A100": 0.5}}, false},
		{"an object", types.DynamicValue(types.ObjectValueMust(map[string]attr.Type{"A100": types.NumberType}, map[string]attr.Value{"A100": half})),
			&serve.QPS{PerAccelerator: map[string]float64{"A100": 0.5}}, false},
		{"a map with an unknown number", types.DynamicValue(types.MapValueMust(types.NumberType, map[string]attr.Value{"A100": types.NumberUnknown()})), nil, false},
		{"a map without a number", types.DynamicValue(types.MapValueMust(types.NumberType, map[string]attr.Value{"A100": types.NumberNull()})), nil, true},
		{"an object with a word", types.DynamicValue(types.ObjectValueMust(map[string]attr.Type{"A100": types.StringType}, map[string]attr.Value{"A100": types.StringValue("x")})), nil, true},
		{"a word", types.DynamicValue(types.StringValue("1")), nil, true},
		{"a truth", types.DynamicValue(types.BoolValue(true)), nil, true},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			got := policyModel{TargetQPSPerReplica: row.value}.qps(&diags)
			if diff := cmp.Diff(row.want, got); diff != "" || diags.HasError() != row.fails {
				t.Errorf("got %v (-want +got):\n%s", diags, diff)
			}
			if row.want == nil {
				return
			}
			again := policyModel{TargetQPSPerReplica: dynamicQPS(got)}.qps(&diags)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("the way back and forth changes it (-before +after):\n%s", diff)
			}
		})
	}
}

func TestNumbersAreThoseThatAreWritten(t *testing.T) {
	t.Parallel()
	written, _, err := big.ParseFloat("0.1", 10, 512, big.ToNearestEven) // as Terraform reads it
	if err != nil {
		t.Fatal(err)
	}
	if decimal(0.1).Cmp(written) != 0 {
		t.Errorf("0.1 is %s", decimal(0.1).Text('g', 40))
	}
	if got := number(0.1).ValueFloat64(); got != 0.1 {
		t.Errorf("0.1 becomes %v", got)
	}
	if !number(math.Inf(1)).IsNull() || !number(math.NaN()).IsNull() {
		t.Error("what is not finite is a number")
	}
}
