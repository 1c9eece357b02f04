#!/usr/bin/env bash
# tidy.sh DIR: waits until standard input ends, which is when bench.sh has ended, however that was
# (Ctrl-C, a failure, kill -9). Then it ends what DIR/pids and DIR/pg name and removes DIR.
set -u
trap '' INT TERM HUP
dir=$1
cat >/dev/null

pids=$(cat "$dir/pids" 2>/dev/null)
for pid in $pids; do kill "$pid" 2>/dev/null; done
for _ in $(seq 50); do
  left=
  for pid in $pids; do kill -0 "$pid" 2>/dev/null && left=yes; done
  [ -n "$left" ] || break
  sleep 0.1
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done

# The database goes with the directory: nothing in it needs to be saved.
if [ -f "$dir/pg/postmaster.pid" ]; then
  postmaster=$(head -n 1 "$dir/pg/postmaster.pid")
  kill -QUIT "$postmaster" 2>/dev/null
  for _ in $(seq 100); do
    [ -f "$dir/pg/postmaster.pid" ] && kill -0 "$postmaster" 2>/dev/null || break
    sleep 0.1
  done
fi
rm -rf "$dir"
