// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import "strings"

// task reads the whole document. The variables come first, as the rest may
// refer to them.
func (r *reader) task(v value, s *Service) {
	const noPool = "A job pool is not a service; take it out, and describe the server in a service section."
	serviceRead := false
	r.mapping(v, []field{
		{"envs", r.variables(&r.envs)},
		{"secrets", r.variables(&r.secrets)},
		{"name", r.text(&s.Name)},
		{"service", func(v value) {
			serviceRead = true
			v.spec, v.expands = "", true
			r.service(v, s)
		}},
		{"resources", func(v value) { r.resources(v, &s.Resources) }},
		{"workdir", func(v value) { r.workdir(v, &s.WorkdirPath) }},
		{"file_mounts", func(v value) { r.fileMounts(v, &s.MountPaths) }},
		{"setup", r.text(&s.Setup)},
		{"run", r.text(&s.Run)},
		{"num_nodes", r.nodes},
		{"pool", r.refuse(noPool)},
		{"workers", r.refuse(noPool)},
		{"config", r.refuse("Settings of SkyPilot itself are not supported; take config out.")},
		{"experimental", r.refuse("Settings of SkyPilot itself are not supported; take experimental out.")},
		{"volumes", r.refuse("Volumes are not supported; a replica has its own disk, see resources.disk_size.")},
		{"volume_mounts", r.refuse("Volumes are not supported; a replica has its own disk, see resources.disk_size.")},
		{"event_callback", r.refuse("Callbacks are not supported; events can be followed by the command \"events\".")},
		{"inputs", r.refuse("Inputs belong to jobs; a service has none.")},
		{"outputs", r.refuse("Outputs belong to jobs; a service has none.")},
	})
	s.Envs, s.Secrets = r.envs, r.secrets
	if !serviceRead {
		v.path = "service"
		r.fault(v, "There is no service section, so this is not a service; write at least \"service: {readiness_probe: /}\".")
	}
}

func (r *reader) nodes(v value) {
	n := 1
	if r.whole(&n)(v); n != 1 {
		r.fault(v, "A replica of %d nodes is not supported; a replica is one machine.", n)
	}
}

func (r *reader) workdir(v value, into *string) {
	v.expands = true
	if kind(v.node) == "a mapping" {
		r.fault(v, "A git repository as workdir is not supported; check it out and write the path of the local directory.")
		return
	}
	r.text(into)(v)
}

// fileMounts reads local paths by their place on the replica.
func (r *reader) fileMounts(v value, into *map[string]string) {
	v.expands = true
	r.dictionary(v, func(target string, item value) {
		const noBucket = "Buckets and URLs are not supported; write a local path, or fetch the files in setup."
		var source string
		if kind(item.node) == "a mapping" {
			r.fault(item, noBucket)
			return
		}
		r.text(&source)(item)
		switch {
		case strings.Contains(source, "://"):
			r.fault(item, noBucket)
		case source == "" && kind(item.node) == "text":
			r.fault(item, "It is empty; write the local path of what is to be put there.")
		default:
			set(into, target, source)
		}
	})
}
