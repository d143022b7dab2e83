#!/usr/bin/env bash
# Checks every example: its format, that the provider accepts it, and where it
# brings tests along, that these pass, on the local cloud and leaving nothing.
set -euo pipefail

terraform=${1:?usage: examples.sh TERRAFORM}
cd "$(dirname "${BASH_SOURCE[0]}")/../../examples"

work=$(mktemp -d "${TMPDIR:-/tmp}/serve-examples.XXXXXX")
trap 'rm -rf "$work"' EXIT
export SERVE_HOME=$work/home TF_IN_AUTOMATION=1

if ! "$terraform" fmt -recursive -check -diff .; then
	echo "the examples are not formatted: run make fmt" >&2
	exit 1
fi

# The shorter examples leave out what every configuration has in common.
common='terraform {
  required_providers {
    serve = { source = "serve-infra/serve" }
  }
}'

find . -name '*.tf' -exec dirname {} + | sort -u | while read -r dir; do
	rm -rf "$work/example"
	cp -R "$dir" "$work/example"
	if ! grep -q required_providers "$work/example/"*.tf; then
		echo "$common" >"$work/example/versions.tf"
	fi
	if ! "$terraform" -chdir="$work/example" validate >"$work/out" 2>&1 </dev/null; then
		echo "examples/${dir#./} is not valid:" >&2
		cat "$work/out" >&2
		exit 1
	fi
	echo "valid  examples/${dir#./}"
done

# What can be run as it stands must have a plan, too: that reads its files.
grep -l required_version ./*/main.tf | while read -r main; do
	dir=$(dirname "$main")
	if ! "$terraform" -chdir="$dir" plan -input=false -lock=false -no-color >"$work/out" 2>&1 </dev/null; then
		echo "examples/${dir#./} cannot be planned:" >&2
		cat "$work/out" >&2
		exit 1
	fi
	echo "plans  examples/${dir#./}"
done

color=
if [ ! -t 1 ]; then color=-no-color; fi
find . -name '*.tftest.hcl' -exec dirname {} + | sort -u | while read -r tests; do
	dir=$(dirname "$tests")
	echo "terraform test  examples/${dir#./}"
	"$terraform" -chdir="$dir" test ${color:+"$color"} </dev/null
done

if [ -d "$SERVE_HOME" ]; then
	left=$(find "$SERVE_HOME" -type f ! -name 'market.*')
	if [ -n "$left" ]; then
		printf 'the tests have left behind:\n%s\n' "$left" >&2
		exit 1
	fi
fi
