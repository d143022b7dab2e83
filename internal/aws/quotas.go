// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// quota is a limit on the virtual processors that run at a time in a region, on
// the types of some families together.
type quota struct{ code, name string }

// quotaOf gives the quota that a machine counts against; empty where it is not
// known. The codes are the same in every account and region.
func quotaOf(instanceType string, m serve.Market) quota {
	family := regexp.MustCompile(`^(p[0-9]+|[a-z]+)`).FindString(instanceType)
	for _, row := range []struct{ families, onDemand, spot, what string }{
		{`^[acdhimrtz]$`, "L-1216C47A", "L-34B43A08", "Standard (A, C, D, H, I, M, R, T, Z)"},
		{`^(g|gr|vt)$`, "L-DB2E81BA", "L-3819A6DF", "G and VT"},
		{`^p[234]$`, "L-417A185B", "L-7212CCBC", "P"},
		{`^p[0-9]+$`, "L-417A185B", "", "P"},
		{`^x$`, "L-7295265B", "L-E3A00192", "X"},
		{`^inf$`, "L-1945791B", "L-B5D1601B", "Inf"},
		{`^trn$`, "L-2C3B7624", "L-6B0D517C", "Trn"},
	} {
		if !regexp.MustCompile(row.families).MatchString(family) {
			continue
		}
		if m == serve.Spot {
			return quota{row.spot, "All " + row.what + " Spot Instance Requests"}
		}
		return quota{row.onDemand, "Running On-Demand " + row.what + " instances"}
	}
	return quota{}
}

// quota gives how many virtual processors a quota allows; false where that cannot
// be had, which is no reason to do without the machines.
func (s *site) quota(ctx context.Context, q quota) (float64, bool) {
	if q.code == "" {
		return 0, false
	}
	out, err := s.quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: aws.String(q.code)})
	if err != nil || out.Quota == nil || out.Quota.Value == nil {
		return 0, false
	}
	return *out.Quota.Value, true
}

// room gives how many machines of a market could run by the quotas, of those that
// are offered; false where a quota is not known.
func (s *site) room(ctx context.Context, offers []serve.Offer, market serve.Market) (fleet.Room, bool) {
	least := map[quota]float64{} // processors of the smallest machine of each
	for _, o := range offers {
		if q := quotaOf(o.InstanceType, market); o.Market == market && (least[q] == 0 || o.CPUs < least[q]) {
			least[q] = o.CPUs
		}
	}
	var r fleet.Room
	for _, q := range slices.SortedFunc(maps.Keys(least), func(a, b quota) int { return strings.Compare(a.code, b.code) }) {
		allowed, ok := s.quota(ctx, q)
		if !ok {
			return fleet.Room{}, false
		}
		n := math.Floor(allowed / least[q])
		if r.By == "" || n > r.Machines {
			r.By = fmt.Sprintf("%q in %s is %g virtual processors", q.name, s.region, allowed)
		}
		r.Machines += n
	}
	return r, len(least) > 0
}
