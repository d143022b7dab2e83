#!/usr/bin/env bash
# Prints the path of a terraform that is new enough: the one TERRAFORM names,
# else the one on PATH, else one fetched once from releases.hashicorp.com into
# the directory given as argument. hc-install, HashiCorp's own installer, checks
# the signature and the checksum of what it fetches.
set -euo pipefail

floor=1.11.0
fetched=1.11.4

cache=${1:?usage: terraform.sh CACHE_DIR}
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

version() { # of the terraform at path $1
	CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null "$1" version -json 2>/dev/null |
		sed -n 's/.*"terraform_version": *"\([^"]*\)".*/\1/p'
}

new_enough() { # version $1
	[ -n "$1" ] && [ "$(printf '%s\n' "$floor" "$1" | sort -V | head -n 1)" = "$floor" ]
}

if [ -n "${TERRAFORM:-}" ]; then
	if ! new_enough "$(version "$TERRAFORM")"; then
		echo "terraform.sh: TERRAFORM=$TERRAFORM is not Terraform $floor or newer" >&2
		exit 1
	fi
	echo "$TERRAFORM"
	exit
fi

if found=$(command -v terraform); then
	have=$(version "$found")
	if new_enough "$have"; then
		echo "$found"
		exit
	fi
	echo "terraform.sh: passing over $found, version ${have:-unknown}: $floor or newer is needed" >&2
fi

dir=$cache/terraform/$fetched
if [ ! -x "$dir/terraform" ]; then
	echo "terraform.sh: fetching Terraform $fetched into $dir" >&2
	mkdir -p "$dir"
	go -C "$tools" tool hc-install install -version "$fetched" -path "$dir" terraform >&2
fi
echo "$dir/terraform"
