#!/usr/bin/env bash
# Builds the programs that a Kubernetes cluster for tests is made of, and prints
# the directory they are in: beside Go's build cache, shared by all checkouts,
# and named by the version of Kubernetes, which internal/tools/kubernetes pins.
# What is there already stays. From nothing it takes ten minutes on two cores.
#
#   kube-build.sh
#
# KUBEBUILDER_ASSETS names a directory with etcd, kube-apiserver and kubectl, as
# people have it for envtest. Those are then taken instead of being built. Of the
# others the ones on PATH are taken when they are of the very version.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(go -C "$tools/kubernetes" list -m -f '{{.Version}}' k8s.io/kubernetes)
kwok=$(go -C "$tools/cluster" list -m -f '{{.Version}}' sigs.k8s.io/kwok)
dir=$(go env GOCACHE)/terraform-provider-serve/kubernetes-$version

# Without its version an API server is taken for an ancient one by kubectl.
minor=${version#v1.}
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*} -X $stamp.gitTreeState=clean"

built() { # of the program $1: the version of the module that it was made of
	go version -m "$1" 2>/dev/null | awk '$1 == "mod" { print $3 }'
}

# build makes the program of package $3, in the tools' module $1, of version $2.
# One at a time, as each takes up to 3 GB to link.
build() {
	local name=${3##*/} found
	if [ "$(built "$dir/$name")" = "$2" ]; then return; fi
	if found=$(command -v "$name") && [ "$("$found" --version 2>/dev/null | awk '{ print $NF }')" = "$2" ]; then
		ln -sf "$found" "$dir/$name"
		return
	fi
	echo "kube-build.sh: building $name $2 into $dir" >&2
	# Beside its place first, so that what is there is always whole.
	CGO_ENABLED=0 go -C "$tools/$1" build -trimpath -ldflags "$flags" -o "$dir/.$name" "$3" >&2
	mv "$dir/.$name" "$dir/$name"
}

mkdir -p "$dir"
# Two checkouts that build at once would only be in each other's way.
if command -v flock >/dev/null; then
	exec 9>"$dir/.lock"
	flock 9
fi

programs=(kube-apiserver kube-controller-manager kube-scheduler kubectl)
if [ "$(go env GOOS)" = linux ]; then programs+=(kubelet kube-proxy); fi
for program in "${programs[@]}"; do
	case $program in
	kube-apiserver | kubectl) if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then continue; fi ;;
	esac
	build kubernetes "$version" "k8s.io/kubernetes/cmd/$program"
done
build cluster "$kwok" sigs.k8s.io/kwok/cmd/kwok
echo "$dir"
