// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

func quotaActions() map[string]handler {
	return map[string]handler{
		"GetServiceQuota": getServiceQuota, "ListServiceQuotas": listServiceQuotas, "GetAWSDefaultServiceQuota": getServiceQuota,
	}
}

// quota is a limit of an account in a region, by the code that AWS gives it.
type quota struct{ code, name, class, market string }

func quotas() []quota {
	return []quota{
		{"L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", ClassStandard, OnDemand},
		{"L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", ClassStandard, Spot},
		{"L-DB2E81BA", "Running On-Demand G and VT instances", ClassG, OnDemand},
		{"L-3819A6DF", "All G and VT Spot Instance Requests", ClassG, Spot},
		{"L-417A185B", "Running On-Demand P instances", ClassP, OnDemand},
		{"L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", ClassP, Spot},
	}
}

func (q quota) describe(r *region) fields {
	return fields{
		"ServiceCode": "ec2", "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)", "QuotaCode": q.code, "QuotaName": q.name,
		"QuotaArn": "arn:aws:servicequotas:" + r.name + ":" + Account + ":ec2/" + q.code,
		"Value":    float64(r.quota(q.class, q.market)), "Unit": "None", "Adjustable": true, "GlobalQuota": false,
	}
}

func getServiceQuota(c *call, in fields) (fields, error) {
	for _, q := range quotas() {
		if in.Text("ServiceCode") == "ec2" && q.code == in.Text("QuotaCode") {
			return fields{"Quota": q.describe(c.region)}, nil
		}
	}
	return nil, refusal(400, "NoSuchResourceException", "The request failed because the specified service or quota does not exist.")
}

func listServiceQuotas(c *call, in fields) (fields, error) {
	if in.Text("ServiceCode") != "ec2" {
		return nil, refusal(400, "NoSuchResourceException", "The request failed because the specified service does not exist.")
	}
	out := []fields{}
	for _, q := range quotas() {
		out = append(out, q.describe(c.region))
	}
	return fields{"Quotas": out}, nil
}
