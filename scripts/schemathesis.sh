#!/usr/bin/env bash
# The OpenAPI document against the running server: schemathesis makes up requests from it, good and bad,
# as a student, a tutor and an admin. No answer may be a server error or one that the document does not tell.
#
# It is fetched from PyPI into target/schemathesis; where that cannot be reached, this says so and passes.
set -uo pipefail
cd "$(dirname "$0")/.."

here=${CARGO_TARGET_DIR:-$PWD/target}/schemathesis
list=tests/schemathesis/requirements.txt
bin=${FYNQ_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/fynq}
examples=${SCHEMATHESIS_EXAMPLES:-5}

skip() {
  echo "schemathesis: skipped, $1"
  exit 0
}

# ── The tool ──────────────────────────────────────────────────────────────────────────────────────
python=$(command -v python3) || skip "there is no python3"
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  skip "it needs Python 3.11 with venv"
if ! cmp -s "$list" "$here/installed"; then
  rm -rf "$here"
  mkdir -p "$here"
  "$python" -m venv "$here/venv" >/dev/null || skip "no virtual environment can be made"
  if ! "$here/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$list" \
    >"$here/pip.out" 2>&1; then
    if grep -qi 'hash' "$here/pip.out"; then
      cat "$here/pip.out"
      exit 1
    fi
    skip "PyPI cannot be reached"
  fi
  cp "$list" "$here/installed"
fi

# ── The server ────────────────────────────────────────────────────────────────────────────────────
data=$(mktemp -d)
password='a long sentence for tests'
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
root=http://127.0.0.1:$port
env -i PATH="$PATH" HOME="${HOME:-/}" ${FYNQ_PG_BIN:+FYNQ_PG_BIN="$FYNQ_PG_BIN"} \
  FYNQ_LISTEN="127.0.0.1:$port" FYNQ_DATA_DIR="$data" FYNQ_RATE_LIMIT=off RUST_LOG=warn \
  FYNQ_ADMIN_EMAIL=admin@school.example FYNQ_ADMIN_PASSWORD="$password" \
  "$bin" serve >"$here/server.out" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"' EXIT

# One request, whatever of curl and wget there is not: method, path, token, body.
call() {
  "$python" - "$root" "$@" <<'PY'
import json, sys, urllib.request
root, method, path, token, body = sys.argv[1:6]
request = urllib.request.Request(root + path, method=method, data=body.encode() or None)
request.add_header("content-type", "application/json")
if token:
    request.add_header("authorization", "Bearer " + token)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
answer = opener.open(request, timeout=20).read()
print(json.loads(answer or b"{}").get("access_token", ""))
PY
}

for _ in $(seq 300); do
  kill -0 "$server" 2>/dev/null || break
  call GET /health/ready "" "" >/dev/null 2>&1 && break
  sleep 0.1
done

entry() { printf '{"email": "%s@school.example", "password": "%s"%s}' "$1" "$password" "${2:-}"; }
call POST /api/v1/auth/register "" "$(entry student)" >/dev/null || { cat "$here/server.out"; exit 1; }
admin=$(call POST /api/v1/auth/login "" "$(entry admin)") || exit 1
call POST /api/v1/admin/users "$admin" "$(entry tutor ', "role": "tutor"')" >/dev/null || exit 1

# ── Three roles, two runs each ────────────────────────────────────────────────────────────────────
# Not among the checks: positive_data_acceptance. No schema can say which cursor, password or join code
# is a good one.
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks=$checks,response_schema_conformance,ignored_auth,unsupported_method,negative_data_rejection
# These may end the very sign-in that asks, because ids are taken from earlier answers: they come in a
# run of their own, with a token of its own. Signing out always does, and everybody out all three roles': that is for
# the other tests.
enders='^/api/v1/(users/me/sign-ins/.*|admin/users/[{]id[}].*)$'

explore() {
  local name=$1 token=$2
  shift 2
  timeout 100 "$here/venv/bin/st" run "$root/api/v1/openapi.json" -H "Authorization: Bearer $token" \
    --seed 1 -n "$examples" --phases examples,coverage,fuzzing --checks "$checks" \
    --exclude-path /api/v1/auth/logout --exclude-path /api/v1/admin/sign-out --continue-on-failure --no-color --generation-database none "$@" \
    --report junit --report-junit-path "$here/$name.xml" >"$here/$name.log" 2>&1
}

as_role() {
  local role=$1 token
  token=$(call POST /api/v1/auth/login "" "$(entry "$role")") || return 1
  local well=0
  explore "$role" "$token" --exclude-path-regex "$enders" || well=1
  token=$(call POST /api/v1/auth/login "" "$(entry "$role")") || return 1
  explore "$role-ends" "$token" --include-path-regex "$enders" && return "$well"
}

rm -f "$here"/*.xml "$here"/*.log
roles="student tutor admin"
pids=()
for role in $roles; do
  as_role "$role" &
  pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
if [ "$failed" -ne 0 ]; then
  for log in "$here"/*.log; do
    grep -q 'FAILURES\|ERRORS\|rror:' "$log" || continue
    echo "== $(basename "$log" .log)"
    sed -n '/FAILURES\|ERRORS\|rror:/,$p' "$log" | head -n 200
  done
fi

# In the words of node's runner, which test.sh adds up. An operation as one role is one test.
"$python" - "$here" <<'PY' || failed=1
import glob, sys, xml.etree.ElementTree as tree
reports = sorted(glob.glob(sys.argv[1] + "/*.xml"))
passed = failed = 0
for report in reports:
    for case in tree.parse(report).getroot().iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        failed += bad
        passed += not bad and case.find("skipped") is None
print(f"schemathesis: {passed + failed} operations in {len(reports)} runs")
print(f"# pass {passed}\n# fail {failed}")
sys.exit(len(reports) != 6)
PY
exit "$failed"
