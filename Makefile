# Each target first installs what it needs (.ci/setup). It uses sudo if the user is not root.
.PHONY: help image test test-long lint docs deb container bench setup
.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

image: setup ## build recipes/debian-12.yaml and print how to boot it
	@.ci/image recipes/debian-12.yaml

test: setup ## run all tests, fast ones first
	@.ci/test

SECONDS_EACH ?= 600

test-long: setup ## run long tests, 200 random recipes, and each fuzz target for SECONDS_EACH seconds (default 600)
	@.ci/test-long $(SECONDS_EACH)

lint: setup ## check format, clippy, documentation and dependencies
	@.ci/lint

docs: ## build the book as a web site in target/book
	@if command -v mdbook >/dev/null; then mdbook build docs; else \
		echo 'mdbook is missing: run cargo install --locked mdbook, or read docs/src/index.md as it is' >&2; exit 1; fi

deb: ## make a package for Debian and Ubuntu in target/packages
	@packaging/deb.sh

container: ## make an OCI image with Goldsmith in target/packages/goldsmith-oci
	@packaging/container.sh "$$(packaging/deb.sh)"

bench: ## measure, and compare with the same work done by hand (as root; takes an hour)
	@.ci/setup guestfish jq
	@benches/cold_build.sh
	@benches/formats.sh
	@benches/resources.sh
	@benches/growth.sh
	@benches/matrix.sh
	@benches/publish.sh
	@benches/remote_cache.sh

setup: ## install missing packages
	@.ci/setup
