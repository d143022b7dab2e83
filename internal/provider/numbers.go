// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"math"
	"math/big"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// decimal gives the number that is written like f. Terraform reads 0.1 with 512
// bits; the 53 bits of f are another number, which would be a diff between what
// was read from a service and what stands in a configuration.
func decimal(f float64) *big.Float {
	const precision = 512
	n, _, err := big.ParseFloat(strconv.FormatFloat(f, 'g', -1, 64), 10, precision, big.ToNearestEven)
	if err != nil {
		return big.NewFloat(f)
	}
	return n
}

// number gives the attribute value for a number of the domain. One that is not
// finite, which no configuration can hold, is null.
func number(f float64) types.Float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return types.Float64Null()
	}
	v, err := types.Float64Type.ValueFromTerraform(context.Background(), tftypes.NewValue(tftypes.Number, decimal(f)))
	if exact, ok := v.(types.Float64); err == nil && ok {
		return exact
	}
	return types.Float64Value(f)
}

// toFloat gives the number of the domain that is nearest.
func toFloat(n types.Number) float64 {
	f, _ := n.ValueBigFloat().Float64()
	return f
}

func integer(n int) types.Int64 { return types.Int64Value(int64(n)) }
