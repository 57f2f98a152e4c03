# Facts that all packages share; to be read with `.`, in the root of the repository.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# The time of the last change of the source. A tarball without history has the time of its changelog.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
: "${MAINTAINER:=Goldsmith maintainers <maintainers@goldsmith.invalid>}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
summary='builds golden disk images for clouds from recipes'

# Builds the program for packages unless PROGRAM names one, and sets PROGRAM.
program() {
    if [ -z "${PROGRAM:-}" ]; then
        cargo build --locked --profile dist --bin goldsmith >&2
        target=${CARGO_TARGET_DIR:-target}
        PROGRAM=$target/dist/goldsmith
        [ -z "${CARGO_BUILD_TARGET:-}" ] || PROGRAM=$target/$CARGO_BUILD_TARGET/dist/goldsmith
    fi
}
