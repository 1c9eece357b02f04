#!/usr/bin/env bash
# Everything that must hold, in order; stops at the first failure. The last line of its output is
# `N passed, M failed`, the sum over all suites.
set -uo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS

# Sums up what cargo (`test result: ok. 12 passed; 1 failed;`) and node (`# pass 12`) report.
count() {
  sed 's/\x1b\[[0-9;]*m//g' "$log" | awk -v want="$1" '
    /^test result: /                 { sum += (want == "passed") ? $4 : $6 }
    /^(#|ℹ) pass [0-9]+$/            { if (want == "passed") sum += $3 }
    /^(#|ℹ) (fail|cancelled) [0-9]+$/ { if (want == "failed") sum += $3 }
    END { print sum + 0 }'
}

finish() {
  local passed failed
  passed=$(count passed)
  failed=$(count failed)
  if [ "$1" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  echo
  echo "$passed passed, $failed failed"
  [ "$1" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

step() {
  local name=$1
  shift
  echo "== $name"
  local from=$SECONDS
  if ! "$@" 2>&1 | tee -a "$log"; then
    echo "== $name: failed after $((SECONDS - from)) s"
    finish 1
  fi
  echo "== $name: done in $((SECONDS - from)) s"
}

node_suite() { [ -f package.json ] && npm run --silent --if-present "$1"; }

step "what the machine must have" scripts/setup.sh test
step "the page's libraries" scripts/vendor.sh need
step "format and lints" scripts/lint.sh
step "rust tests" cargo test --locked
FYNQ_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/fynq
export FYNQ_BIN
step "the documented interface, explored" scripts/schemathesis.sh
if [ -f package.json ]; then
  step "the page's parts" node_suite test
  step "the page in a browser" node_suite test:browser
fi
echo "== all of it took $((SECONDS - started)) s"
finish 0
