// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"maps"
	"path"
	"slices"
	"strings"
)

func (t Task) validate(es *FieldErrors) {
	if t.Workdir != "" && !isDigest(t.Workdir) {
		es.add("workdir", nil, "%q is not the digest of a bundle, \"sha256:\" and 64 hexadecimal digits.", t.Workdir)
	}
	t.validateFileMounts(es)
	if strings.TrimSpace(t.Run) == "" {
		es.add("run", nil, "There is nothing to run; write the command that starts the server.")
	}
	validateVariables(es, "envs", t.Envs)
	validateVariables(es, "secrets", t.Secrets)
	for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
		if _, ok := t.Envs[name]; ok {
			es.add(element("secrets", name), []string{"envs"}, "%q is in envs too; keep it in one of them.", name)
		}
	}
}

func (t Task) validateFileMounts(es *FieldErrors) {
	seen := make(map[string]string)
	for _, target := range slices.Sorted(maps.Keys(t.FileMounts)) {
		at := element("file_mounts", target)
		clean := path.Clean(target)
		switch {
		case target == "" || strings.ContainsRune(target, 0):
			es.add(at, nil, "%q is not a path.", target)
		case slices.Contains(strings.Split(target, "/"), ".."):
			es.add(at, nil, "The path %q goes up by \"..\"; write where it leads to.", target)
		case clean == "/" || clean == "." || clean == "~":
			es.add(at, nil, "The path %q is a directory that is in use; name one within it.", target)
		case seen[clean] != "":
			es.add(at, []string{element("file_mounts", seen[clean])}, "%q is the same path as %q; write it once.", target, seen[clean])
		}
		seen[clean] = target
		if digest := t.FileMounts[target]; !isDigest(digest) {
			es.add(at, nil, "%q is not the digest of a bundle, \"sha256:\" and 64 hexadecimal digits.", digest)
		}
	}
}

// isDigest reports whether s has the form of [Task.Digest].
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && consistsOf(hex, func(c rune) bool { return isDigit(c) || 'a' <= c && c <= 'f' })
}

func validateVariables(es *FieldErrors, path string, vars map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		at := element(path, name)
		switch {
		case !isIdentifier(name):
			es.add(at, nil, "%q is not the name of a variable: it has letters, digits and \"_\" only and does not begin with a digit.", name)
		case isReserved(name):
			es.add(at, nil, "%q is set for every replica by the service itself; take another name.", name)
		case strings.ContainsRune(vars[name], 0):
			es.add(at, nil, "The value has a NUL byte, which a variable cannot hold.")
		}
	}
}

// isReserved reports whether replicas are given the variable.
func isReserved(name string) bool {
	return name == "PORT" || name == "HOST" ||
		strings.HasPrefix(name, "SERVE_") || strings.HasPrefix(name, "SKYPILOT_")
}
