#!/usr/bin/env bash
# A Kubernetes cluster for tests, on this machine alone and thrown away afterwards.
#
#   kube.sh up DIR     start it, and print the environment that tests find it by
#   kube.sh down DIR   end it, and leave nothing of it
#
# The control plane is real. So is one node, "node-1", where we are root on Linux
# and containerd is there: its pods run, and pull their images from a registry on
# loopback. Nodes that carry the annotation kwok.x-k8s.io/node=fake are played by
# kwok: their pods become ready without running anything. The addresses of such
# pods are this machine's own, so that a test answers for all of them at a port.
#
# Without a real node the tests that need one are skipped. With CI set that is an
# error instead.
#
# DIR holds everything. The real node has fixed names in the kernel (bridges,
# cgroups), so there is one such cluster at a time on a machine.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command=${1:?usage: kube.sh up|down DIR}
dir=${2:?usage: kube.sh up|down DIR}
lock=/run/lock/terraform-provider-serve-kube

node="node-1"
subnet=10.251.1
address=$subnet.254    # of the node, and of the API server: pods reach it, the network does not
bridge=serve-node      # carries that address
pods=serve-pods        # the pods' bridge
played=10.252.0.0/16   # pods of simulated nodes: this machine answers for them, real pods reach them
cgroup=/serve-test     # a kubelet ends what it does not know below its root
hierarchies=(cpu cpuacct cpuset memory devices freezer blkio pids systemd unified)

say() { echo "kube.sh: $*" >&2; }

# start runs a program in the background, and notes its pid.
start() {
	local name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 </dev/null &
	echo "$name $!" >>"$dir/pids"
}

# await asks again and again whether something is so, for a minute.
await() {
	local what=$1 tries
	shift
	for ((tries = 0; tries < 600; tries++)); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	say "$what did not come; see $dir/*.log"
	tail -n 5 "$dir"/*.log >&2
	return 1
}

running() { [ -f "$dir/env" ] && kill -0 "$(awk '$1 == "kube-apiserver" { print $2 }' "$dir/pids")" 2>/dev/null; }

# can_node says whether a real node can run here.
can_node() {
	if [ "$(uname)" != Linux ] || [ "$(id -u)" != 0 ]; then
		say "no real node: that takes root on Linux"
		return 1
	fi
	local program
	for program in containerd runc ctr iptables conntrack; do
		command -v $program >/dev/null || { say "no real node: there is no $program (Debian: apt-get install containerd runc containernetworking-plugins iptables conntrack)"; return 1; }
	done
	[ -x /usr/lib/cni/bridge ] || { say "no real node: there is no /usr/lib/cni/bridge (Debian: apt-get install containernetworking-plugins)"; return 1; }
}

free_ports() { # $1 of them in a row: the first one
	local port next
	for ((port = 20000 + RANDOM % 9000; ; port += $1)); do
		for ((next = port; next < port + $1; next++)); do
			if (exec 3<>"/dev/tcp/127.0.0.1/$next") 2>/dev/null; then continue 2; fi
		done
		echo "$port"
		return
	done
}

control_plane() {
	local etcd ports token
	etcd=$(command -v etcd || echo "${KUBEBUILDER_ASSETS:-/nowhere}/etcd")
	ports=$(free_ports 8)
	start etcd "$etcd" --name test --data-dir "$dir/etcd" --unsafe-no-fsync \
		--listen-client-urls "http://127.0.0.1:$ports" --advertise-client-urls "http://127.0.0.1:$ports" \
		--listen-peer-urls "http://127.0.0.1:$((ports + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((ports + 1))" \
		--initial-cluster "test=http://127.0.0.1:$((ports + 1))"
	openssl genrsa -out "$dir/accounts.key" 2048 2>/dev/null
	token=$(openssl rand -hex 16)
	echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
	# Streamed lists need a newer etcd than Debian's, and kwok does not do without
	# when they are on offer.
	start kube-apiserver "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$ports" --cert-dir "$dir/certs" \
		--bind-address "$address" --advertise-address "$address" --secure-port "$((ports + 2))" \
		--endpoint-reconciler-type lease --service-cluster-ip-range 10.251.128.0/17 --allow-privileged=true \
		--feature-gates WatchList=false --authorization-mode Node,RBAC --token-auth-file "$dir/tokens.csv" \
		--kubelet-preferred-address-types InternalIP \
		--service-account-issuer https://kubernetes.default.svc \
		--service-account-key-file "$dir/accounts.key" --service-account-signing-key-file "$dir/accounts.key"
	cat >"$dir/kubeconfig" <<-EOF
		apiVersion: v1
		kind: Config
		current-context: test
		contexts: [{name: test, context: {cluster: test, user: admin}}]
		clusters: [{name: test, cluster: {server: "https://$address:$((ports + 2))", insecure-skip-tls-verify: true}}]
		users: [{name: admin, user: {token: "$token"}}]
	EOF
	export KUBECONFIG=$dir/kubeconfig
	await "the API server" kubectl get --raw /readyz
	start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$KUBECONFIG" \
		--use-service-account-credentials --service-account-private-key-file "$dir/accounts.key" \
		--root-ca-file "$dir/certs/apiserver.crt" \
		--leader-elect=false --bind-address 127.0.0.1 --secure-port "$((ports + 3))"
	start kube-scheduler "$bin/kube-scheduler" --kubeconfig "$KUBECONFIG" \
		--leader-elect=false --bind-address 127.0.0.1 --secure-port "$((ports + 4))"
	await "the default service account" kubectl -n default get serviceaccount default
}

fake_nodes() {
	local stages config=()
	stages=$(go -C "$tools/cluster" list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
	for stage in "$stages"/node/fast/node-initialize.yaml "$stages"/node/heartbeat-with-lease/*lease.yaml \
		"$stages"/pod/fast/pod-{ready,complete,delete}.yaml; do
		config+=(--config "$stage")
	done
	start kwok "$bin/kwok" "${config[@]}" --kubeconfig "$KUBECONFIG" --manage-all-nodes=false \
		--manage-nodes-with-annotation-selector kwok.x-k8s.io/node=fake \
		--cidr "$played" --node-ip 127.0.0.1 --node-port 0 --node-lease-duration-seconds 40
}

# images makes what replicas in tests run, and what holds a pod together.
images() {
	mkdir -p "$dir/images/pause" "$dir/images/web/bin" "$dir/images/web/tmp"
	CGO_ENABLED=0 go -C "$tools/cluster" build -trimpath -ldflags '-s -w' -o "$dir/images/pause/pause" ./pause
	CGO_ENABLED=0 go -C "$tools/cluster" build -trimpath -ldflags '-s -w' -o "$dir/registry" ./registry
	cp "$(command -v busybox)" "$dir/images/web/bin/busybox"
	local applet
	for applet in sh cat tar gzip sleep httpd nc wget env test true false mkdir ls echo printf date kill head; do
		ln -f "$dir/images/web/bin/busybox" "$dir/images/web/bin/$applet"
	done
	mkdir -p "$dir/images/python"
	if [ "$real" ]; then
		cp -a "$dir/images/web/." "$dir/images/python"
		python "$dir/images/python"
	fi
	registry=127.0.0.1:$(free_ports 1)
	start registry "$dir/registry" "$registry" "pause:1=$dir/images/pause,/pause" "web:1=$dir/images/web,/bin/sh" \
		"python:1=$dir/images/python,/bin/sh"
	await "the registry" grep -q . "$dir/registry.log"
}

# python brings the machine's own Python into the directory $1, for the examples.
# Everything lies where it lay, so that it finds its parts.
python() {
	local program library part
	{ read -r program; read -r library; } < <(python3 -c 'import os, sys, sysconfig
print(os.path.realpath(sys.executable), sysconfig.get_path("stdlib"), sep="\n")')
	mkdir -p "$1$library"
	tar -C "$library" -c --exclude=__pycache__ --exclude=./test --exclude='./*-packages' --exclude='./config-*' \
		--exclude=./ensurepip --exclude=./idlelib . | tar -C "$1$library" -x
	ldd "$program" "$library"/lib-dynload/*.so | grep -oE '/[^ :]+ \(' | cut -d' ' -f1 | sort -u | while read -r part; do
		cp -L --parents "$part" "$1"
	done
	cp -L --parents "$program" "$1"
	ln -s "$program" "$1/bin/python3"
}

real_node() {
	local home=$dir/node hierarchy
	mkdir -p "$home/cni"
	cat >"$home/cni/10-pods.conflist" <<-EOF
		{"cniVersion": "0.4.0", "name": "serve-test", "plugins": [
		  {"type": "bridge", "bridge": "$pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$home/ipam", "ranges": [[{"subnet": "$subnet.0/25"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	EOF
	cat >"$home/containerd.toml" <<-EOF
		version = 2
		root = "$home/containerd"
		state = "$home/containerd-run"
		[grpc]
		  address = "$home/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "$registry/pause:1"
		  restrict_oom_score_adj = true
		  stream_server_port = "0"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$home/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    default_runtime_name = "runc"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		      runtime_type = "io.containerd.runc.v2"
		  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."$registry"]
		    endpoint = ["http://$registry"]
	EOF
	start containerd containerd -c "$home/containerd.toml"
	await containerd ctr -a "$home/containerd.sock" version
	# A kubelet changes these for the whole machine.
	sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops >"$dir/sysctl"
	for hierarchy in "${hierarchies[@]}"; do
		if [ -d "/sys/fs/cgroup/$hierarchy" ]; then mkdir -p "/sys/fs/cgroup/$hierarchy$cgroup"; fi
	done
	for hierarchy in cpuset.cpus cpuset.mems; do
		if [ -f "/sys/fs/cgroup/cpuset/$hierarchy" ]; then cat "/sys/fs/cgroup/cpuset/$hierarchy" >"/sys/fs/cgroup/cpuset$cgroup/$hierarchy"; fi
	done
	cat >"$home/kubelet.yaml" <<-EOF
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: $address
		port: 10250
		healthzPort: 0
		readOnlyPort: 0
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: $cgroup
		oomScoreAdj: 0
		containerRuntimeEndpoint: unix://$home/containerd.sock
		clusterDNS: []
		resolvConf: ""
		failSwapOn: false
		makeIPTablesUtilChains: false
		maxPods: 200
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		imageGCHighThresholdPercent: 100
		evictionHard: {nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
		nodeStatusUpdateFrequency: 2s
		featureGates: {KubeletInUserNamespace: true}
	EOF
	start kubelet "$bin/kubelet" --config "$home/kubelet.yaml" --kubeconfig "$KUBECONFIG" --hostname-override $node \
		--node-ip "$address" --root-dir "$home/kubelet" --cert-dir "$home/pki" \
		--node-labels topology.kubernetes.io/zone=zone-a
	local ports
	ports=$(free_ports 2)
	start kube-proxy "$bin/kube-proxy" --kubeconfig "$KUBECONFIG" --hostname-override $node --proxy-mode iptables \
		--conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0 \
		--healthz-bind-address "127.0.0.1:$ports" --metrics-bind-address "127.0.0.1:$((ports + 1))"
	await "the real node" kubectl wait --for=condition=Ready "node/$node" --timeout=1s
	await "kube-proxy" iptables -t nat -n -L KUBE-SERVICES
}

up() {
	if running; then
		cat "$dir/env"
		return
	fi
	bin=$("$tools/kube-build.sh")
	PATH=$bin:${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$PATH
	down
	mkdir -p "$dir"
	: >"$dir/pids"
	trap 'say "starting failed"; down' ERR
	local real=
	if ! can_node && [ "${CI:-}" ]; then return 1; fi
	if can_node 2>/dev/null; then
		if ! (set -o noclobber && echo "$dir" >"$lock") 2>/dev/null; then
			say "another cluster stands on this machine: $0 down $(cat "$lock")"
			return 1
		fi
		real=1
		ip link add $bridge type bridge
		ip addr add "$address/32" dev $bridge
		ip link set $bridge up
		ip route add local "$played" dev lo
	else
		address=127.0.0.1
		played=127.128.0.0/9
	fi
	control_plane
	fake_nodes
	images
	if [ "$real" ]; then real_node; fi
	cat >"$dir/env" <<-EOF
		export PATH=$bin${KUBEBUILDER_ASSETS:+:$KUBEBUILDER_ASSETS}:\$PATH
		export KUBECONFIG=$dir/kubeconfig
		export SERVE_TEST_KUBECONFIG=$dir/kubeconfig
		export SERVE_TEST_REGISTRY=$registry
		export SERVE_TEST_NODE=${real:+$node}
	EOF
	trap - ERR
	cat "$dir/env"
}

# containers ends what runs on the real node: containerd would leave it running.
containers() {
	local ctr=(ctr -a "$dir/node/containerd.sock" -n k8s.io) task
	[ -S "$dir/node/containerd.sock" ] && "${ctr[@]}" version >/dev/null 2>&1 || return 0
	"${ctr[@]}" containers ls -q | while read -r task; do "${ctr[@]}" containers info "$task"; done |
		grep -o '/var/run/netns/cni-[0-9a-f-]*' | sort -u >"$dir/namespaces" || true
	for task in $("${ctr[@]}" tasks ls -q); do "${ctr[@]}" tasks kill -s KILL "$task" >/dev/null 2>&1 || true; done
	for _ in {1..50}; do
		if ! "${ctr[@]}" tasks ls | grep -q RUNNING; then break; fi
		sleep 0.1
	done
	for task in $("${ctr[@]}" tasks ls -q); do "${ctr[@]}" tasks rm -f "$task" >/dev/null 2>&1 || true; done
}

# remains ends what is left in the pods' cgroups: all of it, where containerd was
# killed and could not do so.
remains() {
	local tree=/sys/fs/cgroup/memory$cgroup pid namespace
	if [ ! -d "$tree" ]; then tree=/sys/fs/cgroup$cgroup; fi
	if [ ! -d "$tree" ]; then return; fi
	find "$tree" -name cgroup.procs -exec cat {} + | while read -r pid; do
		namespace=$(ip netns identify "$pid" 2>/dev/null || true)
		if [ -n "$namespace" ]; then echo "$namespace" >>"$dir/namespaces"; fi
		kill -9 "$pid" 2>/dev/null || true
	done
	# What stands between containerd and a pod outlives both.
	{ pgrep -f -- "-address $dir/node/containerd.sock" || true; } | while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done
}

# end stops the processes whose names fit, and waits for them.
end() {
	local name pid tries
	tac "$dir/pids" | grep -E "^($1) " | while read -r name pid; do
		kill "$pid" 2>/dev/null || continue
		for ((tries = 0; tries < 50; tries++)); do
			kill -0 "$pid" 2>/dev/null || continue 2
			sleep 0.1
		done
		kill -9 "$pid" 2>/dev/null || true
	done || true
}

# kernel takes away what kubelet, kube-proxy and the network plugins leave.
kernel() {
	local table rule chain mount hierarchy name
	awk -v below="$dir/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
	if [ -f "$dir/namespaces" ]; then
		while read -r name; do ip netns del "${name##*/}" 2>/dev/null || true; done <"$dir/namespaces"
	fi
	ip route del local "$played" dev lo 2>/dev/null || true
	for name in $bridge $pods; do ip link del "$name" 2>/dev/null || true; done
	for hierarchy in "${hierarchies[@]}"; do
		if [ -d "/sys/fs/cgroup/$hierarchy$cgroup" ]; then
			find "/sys/fs/cgroup/$hierarchy$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
		fi
	done
	for table in filter nat mangle; do
		iptables -t $table -S | sed -n -E '/ -j (KUBE|CNI)-/s/^-A/-D/p' | while read -r rule; do eval "iptables -t $table $rule" || true; done
		for chain in $(iptables -t $table -S | awk '/^-N (KUBE|CNI)-/ { print $2 }'); do iptables -t $table -F "$chain"; done
		for chain in $(iptables -t $table -S | awk '/^-N (KUBE|CNI)-/ { print $2 }'); do iptables -t $table -X "$chain"; done
	done 2>/dev/null
	if [ -f "$dir/sysctl" ]; then sysctl -q -p "$dir/sysctl"; fi
}

down() {
	trap - ERR
	if [ ! -f "$dir/pids" ]; then return; fi
	end 'kubelet|kube-proxy|kwok'
	containers
	end '.*'
	if [ -f "$lock" ] && [ "$(cat "$lock")" = "$dir" ]; then
		remains
		kernel
		rm -f "$lock"
	fi
	rm -rf "$dir"
}

case $command in
up) up ;;
down) down ;;
*) say "there is no command $command"; exit 2 ;;
esac
