#!/usr/bin/env bash
# Sees to what the machine must have: `setup.sh run` to run fynq, `setup.sh test` to test it.
# As root on Debian it installs what is missing; otherwise it prints the exact line to type.
set -euo pipefail

purpose=${1:-run}
has() { command -v "$1" >/dev/null 2>&1; }

postgres_there() {
  [ -n "${FYNQ_PG_BIN:-}" ] && [ -x "$FYNQ_PG_BIN/postgres" ] && return 0
  has postgres && return 0
  local found
  for found in /usr/lib/postgresql/*/bin/postgres /opt/homebrew/opt/postgresql@*/bin/postgres \
    /usr/local/opt/postgresql@*/bin/postgres; do
    [ -x "$found" ] && return 0
  done
  return 1
}

authorities_there() {
  [ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/ssl/cert.pem ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ]
}

chromium_there() {
  [ -n "${FYNQ_CHROMIUM:-}" ] && [ -x "$FYNQ_CHROMIUM" ] && return 0
  has chromium || has chromium-browser || has google-chrome
}

fonts_there() { has fc-list && [ -n "$(fc-list 2>/dev/null | head -n 1)" ]; }

if ! has cargo; then
  echo "fynq needs Rust: https://rustup.rs" >&2
  exit 1
fi

missing=()
has cc || missing+=(gcc libc6-dev)
authorities_there || missing+=(ca-certificates)
# A database of one's own makes the private one needless; the tests always bring theirs up themselves.
if [ "$purpose" = test ] || [ -z "${DATABASE_URL:-}" ]; then
  postgres_there || missing+=(postgresql)
fi
if [ "$purpose" = test ]; then
  has node && has npm || missing+=(nodejs npm)
  chromium_there || missing+=(chromium)
  fonts_there || missing+=(fontconfig fonts-dejavu-core fonts-liberation)
fi

[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! has apt-get; then
  echo "fynq needs what Debian calls: ${missing[*]}" >&2
  has brew && echo "on this machine, perhaps: brew install postgresql@17 node" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "fynq needs Debian packages that are not installed; type:" >&2
  echo "  sudo $install" >&2
  exit 1
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The package lists may be absent or old; they are fetched only if the first try fails.
if ! $install >/dev/null 2>&1 </dev/null; then
  apt-get update </dev/null
  $install </dev/null
fi
