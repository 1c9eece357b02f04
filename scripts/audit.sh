#!/usr/bin/env bash
# Holds the components against what is known of their flaws. It needs the network, so it is no part of the test
# run: it is read before each release, and its outcome is written into docs/security.md, "Components".
#   audit.sh                 asks for the newest advisories
#   audit.sh --db <folder>   reads Rust's advisories from a clone of https://github.com/rustsec/advisory-db
# Ends with 1 when a flaw is known, with 2 when something could not be looked at.
set -uo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

database=
case "${1:-}" in
  "") ;;
  --db) database=${2:?--db needs a folder} ;;
  *)
    echo "usage: audit.sh [--db <folder>]" >&2
    exit 64
    ;;
esac
[ -z "$database" ] || [ -d "$database/crates" ] || {
  echo "error: $database holds no advisories; example: git clone https://github.com/rustsec/advisory-db" >&2
  exit 64
}

result=0
flawed() { result=1; }
unseen() {
  echo "not looked at: $1" >&2
  [ "$result" -eq 1 ] || result=2
}

echo "== crates, by Cargo.lock"
if ! cargo audit --version >/dev/null 2>&1; then
  unseen "cargo audit is not installed; example: cargo install cargo-audit --locked"
elif [ -n "$database" ]; then
  git -C "$database" log -1 --format='advisories as of %cI (%h)' 2>/dev/null
  cargo audit --db "$database" --no-fetch || flawed
else
  cargo audit || flawed
fi

# All of the page's libraries are built into it, so npm counts what ships among the tools: none is left out.
echo "== npm packages, by package-lock.json"
if ! command -v npm >/dev/null 2>&1; then
  unseen "npm is not installed"
else
  said=$(npm audit --json 2>/dev/null)
  count=$(printf %s "$said" | sed -n 's/^ *"total": *\([0-9]*\).*/\1/p' | head -n 1)
  if [ -z "$count" ]; then
    unseen "npm's registry did not answer"
  elif [ "$count" -gt 0 ]; then
    npm audit
    flawed
  else
    echo "no flaw is known"
  fi
fi

echo "== Python packages of the tests, by tests/schemathesis/requirements.txt"
if ! command -v pip-audit >/dev/null 2>&1; then
  unseen "pip-audit is not installed; example: pipx install pip-audit"
else
  pip-audit --disable-pip --require-hashes -r tests/schemathesis/requirements.txt || flawed
fi

# Swagger UI comes inside of a crate, where nobody's advisories look for it.
echo "== Swagger UI"
inside=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -path '*utoipa-swagger-ui-vendored-*/res/*.zip' 2>/dev/null | sort -V | tail -n 1)
if [ -z "$inside" ]; then
  unseen "no crate has been fetched yet; example: cargo fetch --locked"
else
  echo "$(basename "$inside" .zip); its own are at https://github.com/swagger-api/swagger-ui/releases: read them"
fi
exit "$result"
