# Two commands are all that most people need: `make run` and `make test`.

.PHONY: run test bench web lint audit

run: ## fetch what is missing, build, start
	@scripts/setup.sh run
	@scripts/vendor.sh
	cargo run --release --locked

test: ## everything that CI runs
	@scripts/test.sh

bench: ## the benchmarks of docs/performance.md
	@scripts/bench.sh

web: ## build static/vendor anew
	@scripts/vendor.sh force

lint: ## what `make test` checks before it tests
	@scripts/lint.sh

audit: ## known flaws of the components; needs the network
	@scripts/audit.sh
