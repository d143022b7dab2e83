#!/usr/bin/env bash
# Generates docs/ from the provider's schema, templates/ and examples/, and the
# picture in the guide on the spot policy.
#
#   docs.sh SERVE TERRAFORM            writes them
#   docs.sh --check SERVE TERRAFORM    writes elsewhere, and fails when that differs
set -euo pipefail

check=
if [ "${1:-}" = --check ]; then check=yes && shift; fi
serve=${1:?usage: docs.sh [--check] SERVE TERRAFORM}
terraform=${2:?usage: docs.sh [--check] SERVE TERRAFORM}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# tfplugindocs takes the first terraform on PATH, and a place below the provider.
export PATH=$(dirname "$terraform"):$PATH
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1

docs() { # runs tfplugindocs, which talks much, and shows what it said if it fails
	local said
	said=$(go tool -modfile=internal/tools/go.mod tfplugindocs "$@" --provider-name serve 2>&1) ||
		{ echo "$said" >&2 && return 1; }
}

picture=examples/simulate/timeline.svg
draw() { # draws what the default policy does on the longest trace
	"$serve" simulate --trace internal/sim/testdata/traces/aws-02-15-2023-v100_1.json \
		--replicas 4 --notice cloud --format svg
}

if [ -z "$check" ]; then
	draw >$picture
	docs generate
	docs validate
	exit
fi

fresh=$(mktemp -d .docs.XXXXXX)
trap 'rm -rf "$fresh"' EXIT
docs generate --rendered-website-dir "$fresh"
if ! diff -ru docs "$fresh" || ! draw | diff -q $picture -; then
	echo "docs/ or $picture is not current: run make docs" >&2
	exit 1
fi
docs validate
