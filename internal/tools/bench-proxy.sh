#!/usr/bin/env bash
# Measures the endpoint against nginx, HAProxy and Caddy: the same four backends,
# the same wrk, all on loopback, in rounds that take turns, so that whatever else
# the machine does hits them alike. Then it measures the memory of streams on
# which nothing happens. What is missing is installed from Debian, as root.
set -euo pipefail

rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-2} connections=${CONNECTIONS:-32} streams=${STREAMS:-10000}

cache=${1:?usage: bench-proxy.sh CACHE_DIR}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$cache/bench-proxy
export XDG_DATA_HOME=$dir XDG_CONFIG_HOME=$dir # where Caddy writes

pids=()
cleanup() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait
}
trap cleanup EXIT
trap 'exit 1' INT TERM

start() { # a command, with its output in the file $1; the process is $!
	local log=$1
	shift
	"$@" >"$dir/$log" 2>&1 &
	pids+=($!)
}

answers() { # whether something listens at port $1 within 10 s
	for _ in $(seq 100); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
			return
		fi
		sleep 0.1
	done
	echo "bench-proxy.sh: nothing listens at port $1; see $dir" >&2
	return 1
}

install_missing() {
	local missing=()
	for tool in nginx:nginx-light haproxy:haproxy caddy:caddy wrk:wrk; do
		PATH=$PATH:/usr/sbin command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		echo "installing ${missing[*]}" >&2
		apt-get update -qq
		# Without services: they would take port 80.
		RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >&2
	fi
	PATH=$PATH:/usr/sbin
}

nginx_conf() { # for $1 processes, with what goes into http on stdin
	# Processes that root starts as somebody else could not write below a home.
	if [ "$(id -u)" = 0 ]; then echo 'user root;'; fi
	cat <<-EOF
		daemon off; worker_processes $1; pid $dir/nginx-$1.pid; error_log stderr;
		events { worker_connections 4096; }
		http {
			access_log off; keepalive_requests 1000000000;
			client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
			$(cat)
		}
	EOF
}

configure() { # all of them: the least busy backend, connections kept
	local backend i=0
	nginx_conf 1 >"$dir/backends.conf" <<-EOF
		server {
			$(printf 'listen %s; ' "${backends[@]}")
			location / { default_type text/plain; return 200 "0123456789012345678901234567890123"; }
		}
	EOF
	nginx_conf auto >"$dir/nginx.conf" <<-EOF
		upstream backends {
			least_conn; keepalive 64; keepalive_requests 1000000000;
			$(printf 'server %s; ' "${backends[@]}")
		}
		server {
			listen 127.0.0.1:${port[nginx]};
			location / { proxy_pass http://backends; proxy_http_version 1.1; proxy_set_header Connection ""; }
		}
	EOF
	{
		cat <<-EOF
			defaults
			  mode http
			  timeout connect 5s
			  timeout client 60s
			  timeout server 60s
			  http-reuse always
			listen bench
			  bind 127.0.0.1:${port[haproxy]}
			  balance leastconn
		EOF
		for backend in "${backends[@]}"; do
			echo "  server s$((i += 1)) $backend"
		done
	} >"$dir/haproxy.cfg"
	cat >"$dir/Caddyfile" <<-EOF
		{
			admin off
			auto_https off
		}
		http://127.0.0.1:${port[caddy]} {
			reverse_proxy ${backends[*]} {
				lb_policy least_conn
			}
		}
	EOF
}

ticks() { # of processor time that process $1 and its children have used
	local pid children
	children=$(cat "/proc/$1/task/$1/children")
	for pid in $1 $children; do
		sed 's/.*) //' "/proc/$pid/stat"
	done | awk '{ sum += $12 + $13 } END { print sum }'
}

measure() { # proxy $1 once: name, requests/s, p50 and p99 in us, us of processor time a request
	local before
	before=$(ticks "${process[$1]}")
	wrk -t 2 -c "$connections" -d "${2:-$seconds}s" --latency "http://127.0.0.1:${port[$1]}/" >"$dir/wrk.txt"
	awk -v name="$1" -v ticks=$(($(ticks "${process[$1]}") - before)) -v hz="$(getconf CLK_TCK)" '
		function us(t) { return t ~ /us$/ ? t + 0 : t ~ /ms$/ ? t * 1000 : t * 1000000 }
		/50%/ { p50 = us($2) }
		/99%/ { p99 = us($2) }
		/requests in/ { requests = $1 }
		/Requests\/sec/ { rate = $2 }
		/Non-2xx|Socket errors/ { print name ": " $0 >"/dev/stderr" }
		END { print name, rate, p50, p99, ticks * 1e6 / hz / requests }' "$dir/wrk.txt"
}

table() { # of the medians; ratios are those within a round
	awk '
		function median(list,    n, i, j, a, t) {
			n = split(list, a, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
			return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
		}
		$1 == "nginx" { nginx = $2 }
		$1 == "caddy" { caddy = $2 }
		!($1 in rate) { order[++names] = $1 }
		{
			rate[$1] = rate[$1] " " $2; p50[$1] = p50[$1] " " $3; p99[$1] = p99[$1] " " $4; cpu[$1] = cpu[$1] " " $5
			of_nginx[$1] = of_nginx[$1] " " $2 / nginx; of_caddy[$1] = of_caddy[$1] " " $2 / caddy
		}
		END {
			printf "%-8s %11s %9s %9s %12s %8s %8s\n", "proxy", "requests/s", "p50 ms", "p99 ms", "cpu us/req", "x nginx", "x caddy"
			for (i = 1; i <= names; i++) {
				n = order[i]
				printf "%-8s %11d %9.2f %9.2f %12.1f %8.2f %8.2f\n", n, median(rate[n]), median(p50[n]) / 1000,
					median(p99[n]) / 1000, median(cpu[n]), median(of_nginx[n]), median(of_caddy[n])
			}
		}' "$1"
}

resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; } # KiB

idle_streams() { # at an endpoint of their own; each needs two files on either side
	local limit
	limit=$(ulimit -Hn)
	if [ "$limit" != unlimited ] && [ "$((2 * streams + 50))" -gt "$limit" ]; then
		streams=$(((limit - 50) / 2))
	fi
	local listen=127.0.0.1:${free[8]} backend=127.0.0.1:${free[9]} endpoint before
	SERVE_BENCH_LISTEN=$listen SERVE_BENCH_BACKENDS=$backend start endpoint-2.log \
		"$dir/endpoint" -test.run TestServeForBench -test.timeout 5m
	endpoint=$!
	answers "${free[8]}"
	before=$(resident $endpoint)
	SERVE_BENCH_LISTEN=$listen SERVE_BENCH_BACKENDS=$backend SERVE_BENCH_STREAMS=$streams start streams.log \
		"$dir/endpoint" -test.run TestStreamsForBench -test.timeout 5m
	for _ in $(seq 300); do
		if grep -q streaming "$dir/streams.log"; then
			echo "$streams idle streams: $((($(resident $endpoint) - before) / 1024)) MiB," \
				"$((($(resident $endpoint) - before) * 1024 / streams)) bytes each"
			return
		fi
		sleep 0.1
	done
	echo "bench-proxy.sh: the streams did not open; see $dir/streams.log" >&2
	return 1
}

install_missing
rm -rf "$dir"
mkdir -p "$dir"
(cd "$root" && go test -c -o "$dir/endpoint" ./internal/controller)

mapfile -t free < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(10)]
for s in sockets: print(s.getsockname()[1])')
backends=("127.0.0.1:${free[0]}" "127.0.0.1:${free[1]}" "127.0.0.1:${free[2]}" "127.0.0.1:${free[3]}")
declare -A port=([nginx]=${free[4]} [haproxy]=${free[5]} [caddy]=${free[6]} [serve]=${free[7]}) process=()
proxies=(nginx haproxy caddy serve)
configure

start backends.log nginx -p "$dir" -c "$dir/backends.conf"
start nginx.log nginx -p "$dir" -c "$dir/nginx.conf"
process[nginx]=$!
start haproxy.log haproxy -f "$dir/haproxy.cfg"
process[haproxy]=$!
start caddy.log caddy run --config "$dir/Caddyfile" --adapter caddyfile
process[caddy]=$!
SERVE_BENCH_LISTEN=127.0.0.1:${port[serve]} SERVE_BENCH_BACKENDS=${backends[*]} start endpoint.log \
	"$dir/endpoint" -test.run TestServeForBench -test.timeout 10m
process[serve]=$!

for proxy in "${proxies[@]}"; do
	answers "${port[$proxy]}"
	measure "$proxy" 1 >/dev/null # to get warm
done
for _ in $(seq "$rounds"); do
	for proxy in "${proxies[@]}"; do
		measure "$proxy"
	done
done >"$dir/rounds.txt"
table "$dir/rounds.txt"
idle_streams
