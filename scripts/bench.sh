#!/usr/bin/env bash
# The benchmarks whose figures stand in docs/performance.md. Run nothing else beside them.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh run
cargo bench --locked --bench writer
