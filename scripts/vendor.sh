#!/usr/bin/env bash
# Builds static/vendor, the page's browser libraries, when package-lock.json is newer than it.
#   vendor.sh         a failure is a warning: the page works in plain text without them
#   vendor.sh need    a failure is a failure (tests)
#   vendor.sh force   builds in any case
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-want}
[ -f package-lock.json ] || exit 0

give_up() {
  if [ "$mode" = want ]; then
    echo "warning: $1; the page will show math and code as plain text (later: make web)" >&2
    exit 0
  fi
  echo "error: $1" >&2
  exit 1
}

command -v npm >/dev/null 2>&1 || give_up "npm is not installed"

hash() { node -e 'const{createHash}=require("crypto"),{readFileSync}=require("fs");console.log(createHash("sha256").update(readFileSync(process.argv[1])).digest("hex"))' "$1"; }
lock=$(hash package-lock.json) || give_up "node does not run"

# What npm installed, and what was built from it, each say which lock they came from.
installed=$(cat node_modules/.fynq-lock 2>/dev/null || true)
built=$(sed -n 's/.*"lock_sha256": *"\([0-9a-f]*\)".*/\1/p' static/vendor/manifest.json 2>/dev/null || true)

fresh=yes
[ "$built" = "$lock" ] || fresh=no
[ web/vendor.mjs -nt static/vendor/manifest.json ] && fresh=no
[ "$mode" = force ] && fresh=no
# The tests also need the packages themselves (a browser's driver), not only what was built.
[ "$mode" = need ] && [ "$installed" != "$lock" ] && fresh=no
[ "$fresh" = yes ] && exit 0

if [ "$installed" != "$lock" ] || [ "$mode" = force ]; then
  echo "installing the page's libraries (npm ci)"
  said=$(mktemp)
  if ! npm ci --no-audit --no-fund </dev/null >"$said" 2>&1; then
    # The first lines say what is wrong; npm's manual follows them.
    grep -E '^npm (error|ERR)' "$said" | head -n 8 >&2 || true
    rm -f "$said"
    give_up "npm ci failed"
  fi
  rm -f "$said"
  echo "$lock" >node_modules/.fynq-lock
fi
npm run --silent web </dev/null || give_up "building static/vendor failed"
