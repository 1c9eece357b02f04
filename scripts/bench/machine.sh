# What bench.sh asks of the machine: the peer, a durable database, processes that end. Sourced.

say() { echo "bench: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# nginx, installed when we may; without it the benchmark has no peer, but runs.
find_nginx() {
  local found
  for found in "$(command -v nginx || true)" /usr/sbin/nginx; do
    [ -x "$found" ] && nginx=$found && return 0
  done
  nginx=
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    say "nginx is not installed, the table will lack it; on Debian: sudo apt-get install --no-install-recommends nginx-light"
    return 0
  fi
  say "installing nginx-light"
  # Only its binary is wanted: Debian would start it as a service, and at every boot.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && ours=yes
  fi
  local install="apt-get install -y --no-install-recommends nginx-light"
  export DEBIAN_FRONTEND=noninteractive
  $install >/dev/null 2>&1 </dev/null || { apt-get update && $install; } >/dev/null 2>&1 </dev/null ||
    say "that failed; the table will lack nginx"
  [ -z "$ours" ] || rm -f $policy
  command -v systemctl >/dev/null && systemctl disable nginx >/dev/null 2>&1
  [ -x /usr/sbin/nginx ] && nginx=/usr/sbin/nginx
  return 0
}

# A PostgreSQL of our own, durable as any: what is committed is on the disk.
start_postgres() {
  local bin found
  bin=${FYNQ_PG_BIN:-}
  if [ -z "$bin" ] && command -v postgres >/dev/null; then bin=$(dirname "$(command -v postgres)"); fi
  if [ -z "$bin" ]; then
    for found in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V); do bin=$found; done
  fi
  [ -x "$bin/initdb" ] || die "no initdb found; FYNQ_PG_BIN may say where PostgreSQL's binaries are"
  mkdir "$dir/pg"
  # PostgreSQL does not run as root. In / because that user may not see where we are.
  local as=()
  if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$dir/pg"
    as=(runuser -u postgres --)
  fi
  (
    exec 9>&- # see bench.sh
    cd /
    "${as[@]}" "$bin/initdb" -D "$dir/pg" -U fynq -A trust -E UTF8 --no-locale >"$dir/initdb.log" 2>&1 &&
      "${as[@]}" "$bin/pg_ctl" -D "$dir/pg" -l "$dir/pg/log" -w \
        -o "-k '$dir/pg' -c listen_addresses= -c fsync=on -c synchronous_commit=on" start >"$dir/pg_ctl.log" 2>&1
  ) || die "PostgreSQL did not start: $(tail -n 3 "$dir/initdb.log" "$dir/pg_ctl.log" "$dir/pg/log" 2>/dev/null)"
  # Distributions link the server's programs into the path, and not all of them.
  pgbench=
  for found in "$bin" "$(dirname "$(readlink -f "$bin/postgres")")"; do
    if [ -x "$found/pgbench" ]; then pgbench=$found/pgbench; fi
  done
  postgres_version=$("$bin/postgres" --version | awk '{ print $3 }')
  database="postgresql:///postgres?host=$dir/pg&user=fynq&sslmode=disable"
}

# start NAME COMMAND…: in the background, its output in DIR/NAME.log, its process in $pid.
start() {
  local name=$1
  shift
  # Before the process is there: `told` must not read what the one before it said.
  : >"$dir/$name.log"
  (cd "$dir" && exec "$@") >>"$dir/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid" >>"$dir/pids"
}

# stop PID: asks, and waits.
stop() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  sed -i "/^$1\$/d" "$dir/pids"
}

# told NAME: the address in the line with which a server of ours says that it is there.
told() {
  local address
  for _ in $(seq 300); do
    address=$(sed -n 's|.* at http://\([0-9.:]*\).*|\1|p' "$dir/$1.log" | head -n 1)
    [ -n "$address" ] && echo "$address" && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  die "$1 did not start: $(tail -n 5 "$dir/$1.log")"
}

# answers PORT: waits until somebody listens there.
answers() {
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  die "nobody listens on port $1"
}

describe_machine() {
  local model
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  echo "$(nproc) cores of ${model:-$(uname -m)}, Linux $(uname -r), PostgreSQL $postgres_version${nginx:+, nginx $("$nginx" -v 2>&1 | sed 's|.*/||')}"
}
