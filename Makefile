# Each target installs what it needs first (.ci/setup); sudo is asked only when not root.
.PHONY: help image test test-long lint docs bench setup
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

image: setup ## build recipes/debian-12.yaml and say how to boot it
	@.ci/image recipes/debian-12.yaml

test: setup ## all tests, fast ones first
	@.ci/test

SECONDS_EACH ?= 600

test-long: setup ## each fuzz target for SECONDS_EACH seconds (600)
	@.ci/test-long $(SECONDS_EACH)

lint: setup ## format, clippy, documentation, dependencies
	@.ci/lint

docs: ## the book, as a web site in target/book
	@if command -v mdbook >/dev/null; then mdbook build docs; else \
		echo 'the book needs mdbook: cargo install --locked mdbook; docs/src/index.md can be read without it' >&2; exit 1; fi

bench: ## measure against the same work done by hand (as root; takes some minutes)
	@.ci/setup guestfish jq
	@benches/cold_build.sh
	@benches/formats.sh
	@benches/publish.sh

setup: ## install what is missing
	@.ci/setup
