#!/usr/bin/env bash
# The benchmarks whose figures stand in docs/performance.md. Run nothing else beside them.
#   bench.sh [PART…]      idle stream fanout stuck observe roster whisper control writer files tasks; without:
#                         all of them, some fifteen minutes
# BENCH_ROUNDS (3), BENCH_SECS a measurement (10), BENCH_STUDENTS (400), BENCH_SOCKETS (10000),
# BENCH_OBSERVERS (100), BENCH_WHISPERS (200), BENCH_TAKE_OVERS (1000), BENCH_SEED (1); BENCH_SERVER_CPU (0) and BENCH_LOAD_CPU (1), the cores of the measured server
# and of everything else but PostgreSQL; BENCH_FYNQ, a binary to measure instead of a new build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/bench/machine.sh
. scripts/bench/machine.sh
# shellcheck source=scripts/bench/files.sh
. scripts/bench/files.sh

parts="idle stream fanout stuck observe roster whisper control writer files tasks"
modes=${*:-$parts}
rounds=${BENCH_ROUNDS:-3}
secs=${BENCH_SECS:-10}
students=${BENCH_STUDENTS:-400}
sockets=${BENCH_SOCKETS:-10000}
observers=${BENCH_OBSERVERS:-100}
whispers=${BENCH_WHISPERS:-200}
take_overs=${BENCH_TAKE_OVERS:-1000}
# Of the moments at which tutors take over.
seed=${BENCH_SEED:-1}
# The class of `roster`, those who look at it, and the lessons of `control` side by side.
class=60
walls=10
lessons=20
server_cpu=${BENCH_SERVER_CPU:-0}
load_cpu=${BENCH_LOAD_CPU:-1}
# Nothing takes longer than this, whatever happens.
limit=150

wants() { [[ " $modes " == *" $1 "* ]]; }
for mode in $modes; do
  [[ " $parts " == *" $mode "* ]] || die "what is $mode?"
done
command_line="make bench"
for name in BENCH_ROUNDS BENCH_SECS BENCH_STUDENTS BENCH_SOCKETS BENCH_OBSERVERS BENCH_WHISPERS BENCH_TAKE_OVERS BENCH_SEED BENCH_SERVER_CPU BENCH_LOAD_CPU BENCH_FYNQ; do
  if [ -n "${!name:-}" ]; then command_line="$name=${!name} $command_line"; fi
done
if [ $# -gt 0 ]; then command_line=${command_line/make bench/scripts\/bench.sh $modes}; fi

[ "$(uname)" = Linux ] || die "what a process costs is read from Linux's /proc"
taskset -c "$server_cpu" true && taskset -c "$load_cpu" true || die "BENCH_SERVER_CPU and BENCH_LOAD_CPU must name two cores"
scripts/setup.sh run
find_nginx

# ── Build ─────────────────────────────────────────────────────────────────────────────────────────
executable() { sed -n 's/.*"name":"'"$1"'".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1; }
built=$(cargo bench --locked --no-run --bench relay --bench writer --bench tasks --message-format json-render-diagnostics)
relay=$(executable relay <<<"$built")
writer=$(executable writer <<<"$built")
tasks=$(executable tasks <<<"$built")
fynq=${BENCH_FYNQ:-}
if [ -z "$fynq" ]; then
  # Apart from the above, so that no feature that only tests need is in what is measured.
  built=$(cargo build --locked --profile dist --bin fynq --message-format json-render-diagnostics)
  fynq=$(executable fynq <<<"$built")
fi
fynq=$(realpath "$fynq")
[ -x "$relay" ] && [ -x "$writer" ] && [ -x "$tasks" ] && [ -x "$fynq" ] || die "not everything was built"

# ── Whatever happens, nothing is left ─────────────────────────────────────────────────────────────
# On a disk, unlike /tmp on some machines: a commit must cost what it costs.
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/fynq-bench.XXXXXX")
chmod 711 "$dir"
# Only this script holds the pipe; when it ends, tidy.sh goes to work.
exec 9> >(exec scripts/bench/tidy.sh "$dir")
tidy=$!
trap 'exec 9>&-; wait "$tidy" || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

hard=$(ulimit -Hn)
ulimit -n "$hard"
if [ "$hard" != unlimited ] && [ "$sockets" -gt $((hard - 500)) ]; then
  sockets=$((hard - 500))
  say "at most $hard open files are allowed: $sockets sockets"
fi

# ── The parts ─────────────────────────────────────────────────────────────────────────────────────
clean=(env -i PATH="$PATH" HOME="$dir")
failed=
began=$SECONDS

# In the background and waited for, so that a signal does not have to wait, too.
measure() {
  timeout "$limit" taskset -c "$load_cpu" "$relay" "$@" 9>&- &
  local task=$!
  echo "$task" >>"$dir/pids"
  if ! wait "$task"; then failed=yes; fi
  sed -i "/^$task\$/d" "$dir/pids"
}

# Known to nobody: the database is thrown away, but until then the server listens.
admin=admin@bench.example
BENCH_ADMIN_PASSWORD=$(cat /proc/sys/kernel/random/uuid)
export BENCH_ADMIN_PASSWORD

# start_fynq [SETTING…]: the environment is ours alone: no setting of the caller's, no .env.
start_fynq() {
  start fynq "${clean[@]}" DATABASE_URL="$database" GEMINI_BASE_URL="http://$emulator" \
    FYNQ_LISTEN=127.0.0.1:0 FYNQ_DATA_DIR="$dir/fynq" FYNQ_RATE_LIMIT=off \
    FYNQ_ADMIN_EMAIL="$admin" FYNQ_ADMIN_PASSWORD="$BENCH_ADMIN_PASSWORD" "$@" \
    taskset -c "$server_cpu" "$fynq" serve
  fynq_pid=$pid
  fynq_at=$(told fynq)
}

fynq_anew() {
  stop "$fynq_pid"
  start_fynq "$@"
}

# as MODE NAME ROUND: where the figures go.
as() { echo "--mode $1 --name $2 --round $3 --out $dir/figures"; }
on_fynq() { echo "--server $fynq_at --pid $fynq_pid --file $dir/sessions --from $1"; }

on_school() { echo "--server $fynq_at --pid $fynq_pid --file $dir/school"; }

# Each round has sessions of its own: a conversation that grows makes longer prompts.
from=0
next_sessions() { from=$((from + $1)); }

run_idle() {
  say "$sockets idle sockets"
  fynq_anew
  # shellcheck disable=SC2046
  measure idle $(on_fynq 0) $(as idle fynq 1) --sockets "$sockets"
}

run_stream() {
  say "stream: $students students, 20 chunks/s each, $rounds rounds"
  fynq_anew
  local round load="--students $students --chunks 40 --bytes 90 --delay-us 50000 --secs $secs"
  # shellcheck disable=SC2046,SC2086
  for round in $(seq "$rounds"); do
    measure stream --via pipe --server "$emulator" $(as stream direct "$round") $load
    if [ -n "$nginx" ]; then
      measure stream --via pipe --server "127.0.0.1:$nginx_port" --pid "$nginx_pid" $(as stream nginx "$round") $load
    fi
    measure stream --via fynq $(on_fynq $from) $(as stream fynq "$round") $load
    next_sessions "$students"
  done
}

run_fanout() {
  say "fanout: 1 student, $observers observers, 50 chunks/s, $rounds rounds"
  fynq_anew
  local round
  # shellcheck disable=SC2046
  for round in $(seq "$rounds"); do
    measure fanout $(on_fynq $from) $(as fanout fynq "$round") --observers "$observers" \
      --chunks 100 --bytes 90 --delay-us 20000 --secs "$secs"
    next_sessions 1
  done
}

# A new server each time: memory that was once taken would hide that it is taken again.
run_stuck() {
  say "stuck: 20 observers without and with 20 that never read, 500 chunks/s of 16 kB, $rounds rounds"
  local round load="--observers 20 --chunks 500 --bytes 16000 --delay-us 2000 --secs $((secs / 2 + 1))"
  # shellcheck disable=SC2046,SC2086
  for round in $(seq "$rounds"); do
    fynq_anew
    measure fanout $(on_fynq $from) $(as readers fynq "$round") $load
    next_sessions 1
    fynq_anew
    measure fanout $(on_fynq $from) $(as stuck fynq "$round") $load --stuck 20
    next_sessions 1
  done
}

# Twice as long as the others: one student alone makes few chunks, and the p99 wants many.
run_observe() {
  say "observe: 1 student, alone and with $observers tutors, 50 chunks/s, $rounds rounds"
  fynq_anew
  local round load="--chunks 100 --bytes 90 --delay-us 20000 --secs $((secs * 2))"
  # shellcheck disable=SC2046,SC2086
  for round in $(seq "$rounds"); do
    measure observe $(on_school) $(as alone fynq "$round") --tutors 0 $load
    measure observe $(on_school) $(as observe fynq "$round") --tutors "$observers" $load
  done
}

run_roster() {
  say "roster: $class students, 20 chunks/s each, seen by 0, 1 and $walls tutors, $rounds rounds"
  fynq_anew
  local round tutors load="--sessions $class --chunks 40 --bytes 90 --delay-us 50000 --secs $secs"
  # shellcheck disable=SC2046,SC2086
  for round in $(seq "$rounds"); do
    for tutors in 0 1 "$walls"; do
      measure roster $(on_school) $(as "roster-$tutors" fynq "$round") --tutors "$tutors" $load
    done
  done
}

run_whisper() {
  say "whisper: $whispers of them"
  fynq_anew
  # shellcheck disable=SC2046
  measure whisper $(on_school) $(as whisper fynq 1) --tries "$whispers" --chunks 10 --bytes 90 --delay-us 5000
}

run_control() {
  say "control: $take_overs take-overs in $lessons lessons at moments of seed $seed"
  fynq_anew
  # shellcheck disable=SC2046
  measure control $(on_school) $(as control fynq 1) --sessions "$lessons" --tries "$take_overs" --seed "$seed" \
    --chunks 50 --bytes 90 --delay-us 10000
}

# alone PART COMMAND…: what needs no server and prints its own table.
alone() {
  local part=$1 task
  shift
  "${clean[@]}" DATABASE_URL="$database" ROUNDS="$rounds" timeout "$limit" "$@" >"$dir/$part" 9>&- &
  task=$!
  echo "$task" >>"$dir/pids"
  wait "$task" || failed=yes
  sed -i "/^$task\$/d" "$dir/pids"
}

run_writer() {
  say "committed messages, beside COPY"
  alone writer "$writer"
}

run_tasks() {
  say "tasks, beside pgbench"
  # Its worker looks at tables of the same server.
  [ -z "${fynq_pid:-}" ] || stop "$fynq_pid"
  [ -n "$pgbench" ] || die "tasks: this PostgreSQL has no pgbench"
  alone tasks env PGBENCH="$pgbench" "$tasks"
}

# ── The run ───────────────────────────────────────────────────────────────────────────────────────
start_postgres
served=${modes//writer/}
served=${served//tasks/}
if [ -n "${served// /}" ]; then
  start emulator "${clean[@]}" taskset -c "$load_cpu" "$fynq" demo-model --listen 127.0.0.1:0
  emulator=$(told emulator)
  if [ -n "$nginx" ]; then
    nginx_port=$("$relay" port)
    sed "s|@DIR@|$dir|; s|@PORT@|$nginx_port|; s|@EMULATOR@|$emulator|" scripts/bench/nginx.conf >"$dir/nginx.conf"
    # For the files, where this nginx can.
    nginx_puts=yes
    "$nginx" -V 2>&1 | grep -q http_dav_module || { nginx_puts= && sed -i '/dav_methods/d' "$dir/nginx.conf"; }
    start nginx "${clean[@]}" taskset -c "$server_cpu" "$nginx" -p "$dir/" -e "$dir/nginx.log" -c "$dir/nginx.conf"
    nginx_pid=$pid
    answers "$nginx_port"
  fi
  start_fynq
  if wants idle || wants stream || wants fanout || wants stuck; then
    needed=$((students * rounds + rounds * 3 + 1))
    if wants idle && [ "$needed" -le "$sockets" ]; then needed=$((sockets + 1)); fi
    say "making $needed sessions"
    measure setup --server "$fynq_at" --sessions "$needed" --file "$dir/sessions"
    [ -s "$dir/sessions" ] || die "without sessions there is nothing to measure"
  fi
  if wants observe || wants roster || wants whisper || wants control; then
    tutors=$((observers > lessons ? observers : lessons))
    say "making a class of $class students and $tutors tutors"
    measure school --server "$fynq_at" --admin "$admin" --students "$class" --tutors "$tutors" --file "$dir/school"
    [ -s "$dir/school" ] || die "without a class there is nothing to measure"
  fi
fi
# Idle comes first, while the sessions have no history.
for mode in $parts; do
  if wants "$mode"; then "run_$mode"; fi
done

# ── What came out ─────────────────────────────────────────────────────────────────────────────────
echo
echo "\`$command_line\`, $(date +%F), $(git rev-parse --short HEAD 2>/dev/null || echo "no commit"), $((SECONDS - began)) s: $(describe_machine)"
echo
if [ -s "$dir/figures" ]; then "$relay" table "$dir/figures"; fi
for part in writer files tasks; do
  if [ -s "$dir/$part" ]; then
    echo
    cat "$dir/$part"
  fi
done
if [ -n "$failed" ]; then die "some answers were wrong or missing, see above: the figures mean nothing"; fi
