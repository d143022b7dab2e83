// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

// section is a part of the file: its path in the spec, and where it is in words.
type section struct{ spec, words string }

// home gives the part of the file that a key belongs to, so that one with the
// wrong indentation can be sent there. Keys that are at home in two parts, such
// as ports, are not sent anywhere.
func home(key string) (section, bool) {
	switch key {
	case "service", "resources", "workdir", "file_mounts", "setup", "run", "envs", "secrets":
		return section{"", "at the left margin"}, true
	case "readiness_probe", "replicas", "replica_policy", "load_balancing_policy", "load_balancer", "tls":
		return section{"", "under service"}, true
	case "post_data", "headers", "initial_delay_seconds", "timeout_seconds",
		"endpoint_probe_interval_seconds", "consecutive_failure_threshold_timeout":
		return section{"readiness_probe", "under service.readiness_probe"}, true
	case "min_replicas", "max_replicas", "target_qps_per_replica", "target_concurrency_per_replica", "external_metric", "schedules", "num_overprovision",
		"upscale_delay_seconds", "downscale_delay_seconds", "base_ondemand_fallback_replicas",
		"dynamic_ondemand_fallback", "dynamic_ondemand_fallback_delay_seconds", "spot_placer":
		return section{"replica_policy", "under service.replica_policy"}, true
	case "stream_timeout_seconds":
		return section{"load_balancer", "under service.load_balancer"}, true
	case "infra", "cloud", "region", "zone", "instance_type", "cpus", "memory", "accelerators",
		"use_spot", "any_of", "ordered", "disk_size", "disk_tier", "image_id", "labels", "max_hourly_cost":
		return section{"resources", "under resources"}, true
	default:
		return section{}, false
	}
}
