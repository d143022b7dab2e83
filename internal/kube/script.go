// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"maps"
	"slices"
	"strings"
)

// Where things are in a replica's container.
const (
	workDir    = "/serve-infra/workdir"
	bundlesDir = "/serve-infra/bundles"
	// phaseFile is where Kubernetes looks for a container's last words: the part
	// of the start that it did not come through.
	phaseFile = "/dev/termination-log"
)

// The parts of a replica's start.
const (
	phaseSetup = "setup"
	phaseRun   = "run"
)

// startScript is what a replica's container runs: "sh -c startScript serve-infra
// SETUP RUN" and then, for each bundle, the directory of its pieces and where it
// is to be. Run takes the place of the script, so that it is the one who is asked
// to end.
//
// A bundle of one file has one entry, named ".", which no tar unpacks over a
// directory. Times are not unpacked: a bundle has none, and GNU tar complains of
// what it takes for the year 1970.
const startScript = `set -eu
setup=$1 run=$2
shift 2
printf setup 2>/dev/null >` + phaseFile + ` || :
content() { cat "$1"/* | gzip -dc; }
first() { content "$1" 2>/dev/null | tar "$2" - 2>/dev/null | { IFS= read -r line && printf '%s' "$line"; } || :; }
unpack() {
	case $2 in
	'~/'*) to=${HOME:-/root}/${2#??} ;;
	/*) to=$2 ;;
	*) to=` + workDir + `/$2 ;;
	esac
	if [ "$(first "$1" -tf)" = . ]; then
		mkdir -p "${to%/*}"
		rm -f "$to"
		content "$1" | tar -xOf - >"$to"
		case $(first "$1" -tvf) in -??x*) chmod 755 "$to" ;; esac
	else
		mkdir -p "$to"
		content "$1" | tar -xmof - -C "$to"
	fi
}
while [ $# -gt 0 ]; do
	unpack "$1" "$2"
	shift 2
done
shell=sh
if command -v bash >/dev/null 2>&1; then shell=bash; fi
if [ -n "$setup" ]; then "$shell" -c "$setup"; fi
printf run 2>/dev/null >` + phaseFile + ` || :
exec "$shell" -c "$run"
`

// mount is a bundle that is unpacked in the container.
type mount struct {
	digest string
	// to is where it goes: an absolute path, one that begins with "~/", or one
	// below the working directory.
	to string
}

// mounts gives the bundles of a task: the working directory first, so that files
// can be put into it.
func mounts(workdir string, files map[string]string) []mount {
	var all []mount
	if workdir != "" {
		all = append(all, mount{workdir, "."})
	}
	for _, to := range slices.Sorted(maps.Keys(files)) {
		all = append(all, mount{files[to], to})
	}
	return all
}

// literal writes text so that Kubernetes, which replaces $(NAME) in arguments and
// variables, gives back the text itself.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }
