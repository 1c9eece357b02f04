#!/usr/bin/env bash
# Format and lints; a warning is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
if [ -x node_modules/.bin/tsc ]; then
  npm run --silent --if-present lint </dev/null
fi
