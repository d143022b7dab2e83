#!/usr/bin/env bash
# The story of the project, told by real processes: a service starts on spot
# replicas with on-demand ones standing in, loses a spot replica, falls back,
# and goes home to spot, while requests keep coming.
#
#   demo.sh run  SERVE TERRAFORM    the whole story, and nothing left of it
#   demo.sh up   SERVE TERRAFORM    until the service is up, for playing with it
#   demo.sh down SERVE TERRAFORM    the end of what "up" began
#
# SERVE is the built provider, TERRAFORM a terraform. DEMO_DIR says where "up"
# and "down" keep everything; "run" makes a directory of its own.
set -euo pipefail

usage="usage: demo.sh run|up|down SERVE TERRAFORM"
mode=${1:?$usage} serve=${2:?$usage} terraform=${3:?$usage}
case $mode in
run) dir=$(mktemp -d "${TMPDIR:-/tmp}/serve-demo.XXXXXX") ;;
up | down) dir=${DEMO_DIR:?is not set} ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
case $mode:$(test -e "$dir/examples" && echo stands) in
up:stands) echo "demo: one stands already in $dir; make demo-down ends it" >&2 && exit 1 ;;
down:) echo "demo: there is none in $dir" && exit ;;
esac

patience=60 # seconds that any step of the story may take
name=http-server
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../examples" && pwd)

mkdir -p "$dir"
dir=$(cd "$dir" && pwd -P)
export SERVE_HOME=$dir/home CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_CLI_CONFIG_FILE=$dir/terraformrc

### Telling

bold='' plain=''
if [ -t 1 ]; then
	bold=$'\033[1m' plain=$'\033[0m'
else
	export TF_CLI_ARGS_init=-no-color TF_CLI_ARGS_apply=-no-color TF_CLI_ARGS_destroy=-no-color
fi

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

exec 9>&1
run() { # a command, shown as one would type it wherever its output goes
	printf '$ %s %s\n' "$(basename "$1")" "${*:2}" >&9
	"$@" 9>&- 3<&-
}

fail() {
	printf '\n%s\n' "demo: $*" >&2
	if [ -s "$dir/apply.log" ]; then tail -n 20 "$dir/apply.log" >&2; fi
	"$serve" events "$name" >&2 || true
	"$serve" logs "$name" --controller --tail 20 >&2 || true
	exit 1
}

### Watching

# watch opens the stream of status tables as file descriptor 3: a pair of tables
# now, and another after every change, so that no state is missed however short.
watch() {
	mkfifo "$dir/tables"
	"$serve" status "$name" --watch >"$dir/tables" 2>/dev/null &
	watcher=$!
	exec 3<"$dir/tables"
	rm "$dir/tables"
}

# next reads the next pair of tables into $tables, until the time $deadline.
next() {
	local line='' part=''
	while ((SECONDS < deadline)) && IFS= read -r -t $((deadline - SECONDS)) -u 3 line; do
		case $line in
		Services) tables='' part=services ;;
		'Service Replicas') part=replicas ;;
		'') if [ "$part" = replicas ]; then return; fi ;;
		esac
		tables+=$line$'\n'
	done
	return 1
}

# gist puts the tables into a line: "READY 1/3 2:spot:READY 6:on_demand:STARTING".
gist() {
	awk -v name="$name" '
		/^Service Replicas$/ { replicas = 1 }
		$1 != name { next }
		!replicas { match($0, /[A-Z_]+ +[0-9]+\/[0-9]+/); line = substr($0, RSTART, RLENGTH); sub(/ +/, " ", line) }
		replicas { line = line " " $2 ":" ($0 ~ /\[Spot\]/ ? "spot" : "on_demand") ":" $(NF - 1) }
		END { print line }' <<<"$tables"
}

# await waits for the tables with the gist $1 and shows them.
await() {
	local deadline=$((SECONDS + patience)) seen=()
	while next; do
		seen+=("$(gist)")
		if [ "${seen[${#seen[@]} - 1]}" = "$1" ]; then
			printf '%s' "$tables"
			return
		fi
	done
	printf '%s\n' "Waited $patience seconds for" "  $1" "and saw" "${seen[@]/#/  }" >&2
	fail "the story went another way"
}

### Doing

prepare() {
	for tool in curl python3; do
		command -v "$tool" >/dev/null || { echo "demo: $tool is needed, and not on PATH" >&2 && exit 1; }
	done
	local version=${VERSION:-0.1.0}
	local plugins=$dir/mirror/registry.terraform.io/serve-infra/serve/$version/$(go env GOOS)_$(go env GOARCH)
	mkdir -p "$plugins" "$SERVE_HOME"
	cp "$serve" "$plugins/terraform-provider-serve_v$version"
	cp -R "$examples" "$dir/examples"
	cat >"$TF_CLI_CONFIG_FILE" <<-END
		provider_installation {
		  filesystem_mirror {
		    path = "$dir/mirror"
		  }
		}
	END
	# A small market: two regions with one spot machine each, machines that take
	# their time to come and go, and no warning before one is taken away.
	cat >"$SERVE_HOME/market.json" <<-'END'
		{
		  "zones": [
		    {"region": "us-east1", "zone": "us-east1-b", "spot": 1, "on_demand": 4},
		    {"region": "us-central1", "zone": "us-central1-a", "spot": 1, "on_demand": 4}
		  ],
		  "machines": [{"name": "local-2", "cpus": 2, "memory": 4, "spot": 0.03, "on_demand": 0.10}],
		  "boot_seconds": 4,
		  "shutdown_seconds": 2,
		  "notice_seconds": 0
		}
	END
}

up() {
	prepare
	cd "$dir/examples/quickstart"
	run "$terraform" init -input=false >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2 && exit 1; }
	run "$terraform" apply -auto-approve >"$dir/apply.log" 2>&1 &
	applying=$!
	watch

	say "Two spot replicas are wanted. None is ready, so as many on-demand ones are launched along with them."
	await "NO_REPLICA 0/4 1:spot:PROVISIONING 2:spot:PROVISIONING 3:on_demand:PROVISIONING 4:on_demand:PROVISIONING"

	say "The spot replicas are ready: the on-demand ones have done their service."
	await "READY 2/4 1:spot:READY 2:spot:READY 3:on_demand:SHUTTING_DOWN 4:on_demand:SHUTTING_DOWN"

	say "Spot alone carries the load."
	await "READY 2/2 1:spot:READY 2:spot:READY"

	wait "$applying" || fail "terraform apply failed"
	cat "$dir/apply.log"
	endpoint=$("$serve" status "$name" --endpoint)
}

# ask sends one request after the other for as long as the file $dir/asking is
# there, and writes down the status of each answer, 000 where there was none.
ask() {
	while [ -e "$dir/asking" ]; do
		curl -s -m 10 -o /dev/null -w '%{http_code}\n' "$endpoint" || true
		sleep 0.05
	done >"$dir/answers.$1"
}

# asking begins to send requests, in two loops.
asking() {
	loops=(1 2)
	touch "$dir/asking"
	local i pid=()
	for i in "${loops[@]}"; do
		ask "$i" &
		pid+=($!)
	done
	askers=("${pid[@]}")
}

# answered ends the asking and counts what came back.
answered() {
	rm "$dir/asking"
	wait "${askers[@]}"
	sent=$(cat "$dir"/answers.* | wc -l)
	lost=$(cat "$dir"/answers.* | grep -cv '^200$' || true)
	if ((sent == 0)); then fail "no request was sent"; fi
	# Two machines are lost, each with at most one request of each loop on it.
	if ((lost > 2 * ${#loops[@]})); then
		fail "$lost of $sent requests were lost, more than can have been under way on the machines that were taken"
	fi
}

# lose has one spot machine taken, without a warning, while there are others.
lose() {
	say "Two curl loops ask $endpoint from now on. The machine of replica 1 is taken away, without a warning."
	run "$serve" preempt "$name" 1

	say "One replica serves. Another spot replica is launched, and an on-demand one to stand in until that is ready."
	await "READY 1/3 2:spot:READY 5:spot:PROVISIONING 6:on_demand:PROVISIONING"

	say "The new spot replica is ready: on-demand goes at once."
	await "READY 2/3 2:spot:READY 5:spot:READY 6:on_demand:SHUTTING_DOWN"
	await "READY 2/2 2:spot:READY 5:spot:READY"
}

# starve has a region take its spot machine back and sell no other.
starve() {
	say "Now us-east1 takes back its spot machine, and has no other; us-central1 has sold its only one to replica 2."
	run "$serve" market set us-east1 --spot 0

	say "The new spot replica waits for a machine. On-demand steps in and carries half of the load."
	await "READY 1/3 2:spot:READY 7:spot:PROVISIONING 8:on_demand:PROVISIONING"
	await "READY 2/3 2:spot:READY 7:spot:PROVISIONING 8:on_demand:READY"

	say "us-east1 sells spot machines again: the waiting replica takes one, and on-demand has done its service."
	run "$serve" market set us-east1 --spot 1
	await "READY 2/3 2:spot:READY 7:spot:READY 8:on_demand:SHUTTING_DOWN"
	await "READY 2/2 2:spot:READY 7:spot:READY"
}

down() {
	say "The end."
	run "$terraform" -chdir="$dir/examples/quickstart" destroy -auto-approve
	local left
	left=$(leftovers)
	if [ -n "$left" ]; then
		echo "$left" >&2
		echo "demo: the above is left of the service" >&2
		exit 1
	fi
}

# leftovers lists the files of the home directory but for the market's own, and
# the processes that belong to it.
leftovers() {
	find "$SERVE_HOME" -type f ! -name 'market.*'
	pgrep -fl -- "$SERVE_HOME" || true
	local environ
	for environ in /proc/[0-9]*/environ; do
		if tr '\0' '\n' 2>/dev/null <"$environ" | grep -Eq '^SERVE_(CONTROLLER|REPLICA_ID)=' &&
			tr '\0' '\n' 2>/dev/null <"$environ" | grep -Fqx "SERVE_HOME=$SERVE_HOME"; then
			echo "process $(basename "$(dirname "$environ")")"
		fi
	done 2>/dev/null
}

# finish leaves nothing behind, whatever has happened. A service that stands for
# being played with is left alone.
finish() {
	local code=$?
	trap - EXIT
	rm -f "$dir/asking"
	if [ -n "${watcher:-}" ]; then kill "$watcher" 2>/dev/null || true; fi
	if [ -n "${applying:-}" ]; then kill -INT "$applying" 2>/dev/null || true; fi
	wait
	if [ "$mode" = run ] || { [ "$mode" = up ] && ((code != 0)); }; then
		"$serve" down "$name" >/dev/null 2>&1 || true
		rm -rf "$dir"
	elif [ "$mode" = down ] && ((code == 0)); then
		rm -rf "$dir"
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

case $mode in
run)
	up
	asking
	lose
	starve
	answered
	say "What happened, and why"
	run "$serve" events "$name"
	down
	say "demo: done in $SECONDS seconds. $sent requests sent, $lost lost. No process and no file is left."
	;;
up)
	up
	say "The service stands at $endpoint. Play with it:"
	cat <<-END
		export SERVE_HOME=$SERVE_HOME
		alias serve=$serve
		curl $endpoint
		serve status $name --watch
		serve market show
		serve preempt $name 1
		serve market set us-east1 --spot 0
		serve events $name --follow
		make demo-down
	END
	;;
down)
	down
	say "demo: destroyed. No process and no file is left."
	;;
esac
