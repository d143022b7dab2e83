#!/usr/bin/env bash
# Generates docs/ from the provider's schema, templates/ and examples/.
#
#   docs.sh TERRAFORM            writes docs/
#   docs.sh --check TERRAFORM    writes elsewhere, and fails when that differs
set -euo pipefail

check=
if [ "${1:-}" = --check ]; then check=yes && shift; fi
terraform=${1:?usage: docs.sh [--check] TERRAFORM}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# tfplugindocs takes the first terraform on PATH, and a place below the provider.
export PATH=$(dirname "$terraform"):$PATH
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1

docs() { # runs tfplugindocs, which talks much, and shows what it said if it fails
	local said
	said=$(go tool -modfile=internal/tools/go.mod tfplugindocs "$@" --provider-name serve 2>&1) ||
		{ echo "$said" >&2 && return 1; }
}

if [ -z "$check" ]; then
	docs generate
	docs validate
	exit
fi

fresh=$(mktemp -d .docs.XXXXXX)
trap 'rm -rf "$fresh"' EXIT
docs generate --rendered-website-dir "$fresh"
if ! diff -ru docs "$fresh"; then
	echo "docs/ is not current: run make docs" >&2
	exit 1
fi
docs validate
