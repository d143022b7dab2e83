// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

// The quota that a project has of anything when nothing else is said: as much as one
// that has used Compute Engine for long.
const defaultQuota = 10000

// metrics are what is counted in a region.
func metrics() []string {
	return []string{
		"CPUS", "A2_CPUS", "C3_CPUS", "N2_CPUS", "N2D_CPUS", "T2A_CPUS", "PREEMPTIBLE_CPUS", "NVIDIA_A100_GPUS", "NVIDIA_L4_GPUS",
		"NVIDIA_T4_GPUS", "NVIDIA_V100_GPUS", "PREEMPTIBLE_NVIDIA_A100_GPUS", "PREEMPTIBLE_NVIDIA_L4_GPUS",
		"PREEMPTIBLE_NVIDIA_T4_GPUS", "PREEMPTIBLE_NVIDIA_V100_GPUS", "INSTANCES", "IN_USE_ADDRESSES", "STATIC_ADDRESSES",
	}
}

// SetQuota says how much the project may have of a metric, such as CPUS, in a region.
func (g *GCP) SetQuota(region, metric string, limit float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.compute.quotas[region+" "+metric] = limit
}

func (c *call) quota(region, metric string) float64 {
	if q, ok := c.compute.quotas[region+" "+metric]; ok {
		return q
	}
	if metric == "STATIC_ADDRESSES" {
		return 8
	}
	return defaultQuota
}

// used is how much of the quotas of a region is taken.
func (c *call) used(region string) map[string]float64 {
	out := map[string]float64{}
	for _, i := range c.compute.instances {
		if regionOf(i.plan.zone) != region || !i.costs(c.now) {
			continue
		}
		for metric, n := range i.plan.takes() {
			out[metric] += n
		}
	}
	for _, a := range c.compute.addresses {
		if a.region == region {
			out["STATIC_ADDRESSES"]++
		}
	}
	return out
}

// takes is how much of which quota an instance takes. Spot machines have their own.
func (p plan) takes() map[string]float64 {
	cpus, preemptible := p.kind.metric, ""
	if p.market == Spot {
		cpus, preemptible = "PREEMPTIBLE_CPUS", "PREEMPTIBLE_"
	}
	out := map[string]float64{cpus: float64(p.kind.cpus), "INSTANCES": 1}
	if gpu, n := p.accelerator(); n > 0 {
		out[preemptible+gpuMetric(gpu)] += float64(n)
	}
	if p.external {
		out["IN_USE_ADDRESSES"] = 1
	}
	return out
}

// overQuota says which quota a plan has no room in, if there is one.
func (c *call) overQuota(p plan) *failure {
	region := regionOf(p.zone)
	used, takes := c.used(region), p.takes()
	for _, metric := range sortedKeys(takes) {
		if limit := c.quota(region, metric); used[metric]+takes[metric] > limit {
			return quotaExceeded(metric, limit, region)
		}
	}
	return nil
}

func (c *call) regionQuotas(region string) []fields {
	used := c.used(region)
	var out []fields
	for _, metric := range metrics() {
		out = append(out, fields{"metric": metric, "limit": c.quota(region, metric), "usage": used[metric]})
	}
	return out
}

func (c *call) projectQuotas() []fields {
	cpus, gpus := 0.0, 0.0
	for _, region := range regionNames() {
		for metric, n := range c.used(region) {
			switch {
			case len(metric) >= 4 && metric[len(metric)-4:] == "CPUS":
				cpus += n
			case len(metric) >= 4 && metric[len(metric)-4:] == "GPUS":
				gpus += n
			}
		}
	}
	return []fields{
		{"metric": "CPUS_ALL_REGIONS", "limit": defaultQuota, "usage": cpus}, {"metric": "GPUS_ALL_REGIONS", "limit": defaultQuota, "usage": gpus},
		{"metric": "FIREWALLS", "limit": 100, "usage": len(c.compute.firewalls)},
	}
}
